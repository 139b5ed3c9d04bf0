"""The columns of agno's tables that `records.py` reads and writes; agno makes the tables."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, MetaData, Table, Text
from sqlalchemy.dialects import postgresql

_SCHEDULE_TEXTS = (
    *("name", "method", "endpoint", "cron_expr", "timezone"),
    *("managed_by", "target_type", "target_id", "disabled_reason"),
)
_SCHEDULE_NUMBERS = (
    *("timeout_seconds", "max_retries", "retry_delay_seconds"),
    *("next_run_at", "created_at", "updated_at"),
)
_FIRING_TEXTS = ("schedule_id", "status", "run_id", "session_id", "error")
_FIRING_NUMBERS = ("attempt", "triggered_at", "completed_at", "status_code", "created_at")


def schedules_table(metadata: MetaData) -> Table:
    """One row for each schedule."""
    return Table(
        "agno_schedules",
        metadata,
        Column("id", Text, primary_key=True),
        Column("payload", JSON().with_variant(postgresql.JSONB(), "postgresql")),
        Column("enabled", Boolean),
        *(Column(name, Text) for name in _SCHEDULE_TEXTS),
        *(Column(name, BigInteger) for name in _SCHEDULE_NUMBERS),
    )


def firings_table(metadata: MetaData) -> Table:
    """One row for each firing of one."""
    return Table(
        "agno_schedule_runs",
        metadata,
        Column("id", Text, primary_key=True),
        *(Column(name, Text) for name in _FIRING_TEXTS),
        *(Column(name, BigInteger) for name in _FIRING_NUMBERS),
    )


def runs_table(metadata: MetaData) -> Table:
    """One row for each run, whoever asked for it."""
    return Table("agno_runs", metadata, Column("run_id", Text), Column("status", Text))
