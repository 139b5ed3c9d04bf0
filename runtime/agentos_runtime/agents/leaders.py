"""The approval record of a leader's own call is that of the user who asked.

agno writes the team's configured user into it, and none of ours has one: whoever asked could neither see the record nor
that it was decided. Members' records have their user. Imported by compile.py for what it does.
"""

from __future__ import annotations

from typing import Any

from agno.run import approval

_create = approval.acreate_approval_from_pause


async def _for_its_user(db: Any, run_response: Any, **given: Any) -> str | None:
    return await _create(db, run_response, **{**given, "user_id": given.get("user_id") or run_response.user_id})


# agno's teams look it up in its module at each pause.
approval.acreate_approval_from_pause = _for_its_user  # type: ignore[assignment]
