"""The scripted model: the same question always gets the same answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.fakemodel import wire
from local.fakemodel.embeddings import embeddings
from local.fakemodel.script import Reply, ToolCall, reply_to


def asked(*texts: str) -> Reply:
    return reply_to([{"role": "user", "content": text} for text in texts])


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ("Hello", "You said: Hello"),
        ("count 3", "1 2 3"),
        ("count on me", "You said: count on me"),
        ("fail please", "You said: fail please"),
        ("wait a moment", "You said: wait a moment"),
        ("", "You said: "),
        ("history", "Before this you said: nothing"),
    ],
)
def test_a_message_is_answered(message: str, reply: str) -> None:
    assert asked(message).text == reply


def test_every_call_of_a_message_is_made() -> None:
    calls = asked('call add {"a": 1, "b": 2}\ncall divide').tool_calls
    assert calls == (ToolCall("add", '{"a": 1, "b": 2}'), ToolCall("divide", "{}"))


def test_tool_results_are_told_in_their_order() -> None:
    tools = [{"role": "tool", "content": "3"}, {"role": "tool", "content": "4"}]
    assert reply_to([{"role": "user", "content": "call add"}, *tools]).text == "The tool answered: 3; 4"


def test_faults_are_scripted() -> None:
    assert asked("fail 503").status == 503
    assert (asked("wait 2.5 done").seconds, asked("wait 2.5 done").text) == (2.5, "done")
    assert asked("wait 99999").seconds == 600
    assert (asked("think 2.5 done").silence, asked("think 2.5 done").seconds) == (2.5, 0.0)
    assert asked("break off").breaks


def test_a_message_in_parts_is_read() -> None:
    parts = [{"type": "text", "text": "count"}, {"type": "text", "text": "2"}]
    assert reply_to([{"role": "user", "content": parts}]).text == "1 2"


def test_the_chunks_of_a_stream_are_the_whole_answer() -> None:
    request: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "count 5"}]}
    reply = reply_to(request["messages"])
    deltas = [chunk["choices"][0]["delta"] for chunk in wire.chunks(request, reply)]
    whole = wire.completion(request, reply)["choices"][0]["message"]["content"]
    assert "".join(delta.get("content") or "" for delta in deltas) == whole


def test_the_arguments_of_a_streamed_call_are_whole() -> None:
    request: dict[str, Any] = {"messages": [{"role": "user", "content": 'call add {"a": 1}'}]}
    deltas = [c["choices"][0]["delta"] for c in wire.chunks(request, reply_to(request["messages"]))]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"a": 1}


def test_usage_comes_last_and_only_where_it_is_asked_for() -> None:
    request: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
    reply = asked("Hello")
    assert "usage" not in list(wire.chunks(request, reply))[-1]
    *_, last = wire.chunks({**request, "stream_options": {"include_usage": True}}, reply)
    assert last["usage"] == {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}


def test_texts_with_words_in_common_are_near_each_other() -> None:
    texts = ["When does the refund arrive?", "The refund arrives after a week.", "Lamps have a warranty."]
    answer = embeddings({"input": texts, "model": "text-embedding-3-small", "dimensions": 64})
    question, near, far = (each["embedding"] for each in answer["data"])
    assert {len(question), len(near), len(far)} == {64}

    def likeness(other: list[float]) -> float:
        return float(sum(a * b for a, b in zip(question, other, strict=True)))

    assert likeness(near) > likeness(far)
    assert embeddings({"input": texts[0], "dimensions": 64})["data"][0]["embedding"] == question
