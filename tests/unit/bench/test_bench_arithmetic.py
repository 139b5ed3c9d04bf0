"""The arithmetic of the figures, and what is made of rounds."""

from __future__ import annotations

from typing import Any

import pytest

from bench import runtime
from bench.arithmetic import percentile, significant
from bench.load import Sample
from bench.timeline import medians


def test_a_percentile_is_a_value_that_was_seen() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.99) == 5.0
    assert percentile(values, 0.2) == 1.0
    assert percentile(values, 0.21) == 2.0
    assert percentile([7.0], 0.5) == 7.0


def test_the_99th_of_a_hundred_is_the_second_largest() -> None:
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99.0


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_there_is_no_percentile_of_nothing(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="is no"):
        percentile(values, share)


def test_rounding_keeps_significant_digits() -> None:
    assert significant(0.0123456) == 0.01235
    assert significant(123456.0) == 123500.0
    assert significant(0.0) == 0.0


def test_a_sample_counts_runs_per_second_of_the_whole_load() -> None:
    sample = Sample(in_flight=2, seconds=2.0, latencies=(0.5, 1.0, 1.0, 1.5))
    assert sample.per_second == 2.0
    assert sample.as_json() == {"in_flight": 2, "runs": 4, "per_second": 2.0, "p50_ms": 1000.0, "p99_ms": 1500.0}


def _side(speed: float, start: float, memory: float) -> dict[str, Any]:
    load = [
        {"in_flight": 1, "per_second": speed, "p50_ms": 1000 / speed},
        {"in_flight": 8, "per_second": speed},
        {"in_flight": 32, "per_second": speed * start},
    ]
    return {"load": load, "start_s": start, "start_empty_s": start + 1, "memory_loaded_mib": {"rss": memory}}


def test_the_figures_of_the_runtime_are_medians_over_the_rounds() -> None:
    rounds = [
        {"ours": _side(50.0, 1.0, 150.0), "plain": _side(50.0, 2.0, 140.0)},
        {"ours": _side(60.0, 1.5, 151.0), "plain": _side(60.0, 2.0, 141.0)},
        {"ours": _side(1.0, 90.0, 900.0), "plain": _side(70.0, 2.0, 142.0)},
    ]
    found = {one.name: one for one in runtime.entries(rounds)}
    assert (found["runtime-start"].ours, found["runtime-start"].baseline) == (1.5, 2.0)
    assert (found["runtime-memory"].ours, found["runtime-memory"].baseline) == (151.0, 141.0)
    assert found["runtime-memory"].holds is True


def test_throughput_is_reported_where_it_is_worst_for_us() -> None:
    rounds = [{"ours": _side(50.0, 0.5, 1.0), "plain": _side(50.0, 1.0, 1.0)}]
    throughput = next(one for one in runtime.entries(rounds) if one.name == "runtime-throughput")
    assert (throughput.ours, throughput.baseline, throughput.holds) == (25.0, 50.0, False)


def test_a_breakdown_is_in_the_order_of_time_and_misses_nothing_that_some_round_saw() -> None:
    rounds = [{"pod ready": 3.0, "applied": 0.1}, {"pod ready": 2.0, "applied": 0.3, "listening": 1.0}]
    assert medians(rounds) == {"applied": 0.2, "listening": 1.0, "pod ready": 2.5}
    assert list(medians(rounds)) == ["applied", "listening", "pod ready"]
