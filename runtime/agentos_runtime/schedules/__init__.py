"""Runs that a clock begins, each time once however many replicas there are (docs/decisions/0034).

scheduler.py    when something is to begin, and what becomes of it
records.py      what is known of it in agno's tables, where replicas meet
tables.py       the columns of those tables
submission.py   a run asked of agno in this process, without a socket
requests.py     what callers may do to schedules
"""
