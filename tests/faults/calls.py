"""A call of the operator, named so that it is the same call in every run and for every workspace."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

WORKSPACE_NAME = re.compile(r"(?<![a-z0-9])flt-[0-9a-f]{6}(?![0-9a-f])")
"""Names of workspaces that faults may hit; ``stage.new_name("flt")`` makes them. Nobody else's are touched."""
SQL = "SQL "
"""What the text of a statement begins with, so that it is no request."""
_CONTENT_HASH = re.compile(r"(?<=-)[0-9a-f]{8,}(?=$|/)")


@dataclass(frozen=True, order=True)
class Call:
    """The ``number``-th request, or statement, of its text on behalf of one workspace."""

    text: str
    number: int = 1

    @property
    def is_sql(self) -> bool:
        """Whether it went to PostgreSQL."""
        return self.text.startswith(SQL)

    @property
    def is_write(self) -> bool:
        """Whether it may change something."""
        return not self.text.removeprefix(SQL).startswith(("GET ", "SELECT ", "WITH "))

    def __str__(self) -> str:
        return f"{self.text} #{self.number}"


class Calls:
    """Counts the calls on behalf of one workspace, in the order in which they come."""

    def __init__(self) -> None:
        self.made: list[Call] = []
        self._counted: Counter[str] = Counter()

    def count(self, text: str) -> Call:
        """The call that is made now."""
        self._counted[text] += 1
        call = Call(text, self._counted[text])
        self.made.append(call)
        return call


def workspace_in(text: str) -> str | None:
    """The workspace that a path is about; None for anything that belongs to no workspace of these tests."""
    found = WORKSPACE_NAME.search(text)
    return found[0] if found else None


def request_text(method: str, path: str) -> str:
    """A request without what differs between two workspaces: its name, and the hash in the name of a ConfigMap."""
    return f"{method} {_CONTENT_HASH.sub('HASH', WORKSPACE_NAME.sub('NAME', path))}"
