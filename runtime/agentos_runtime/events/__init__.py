"""Tells the platform's event bus what happened to runs and approvals (docs/events.md).

The database notes it (`database/outbox.py`), and any replica of the deployment hands it to a Redis Stream: no run waits
for Redis, and what was noted is published at least once.
"""
