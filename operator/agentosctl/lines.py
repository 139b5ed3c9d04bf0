"""Trees of aligned lines on a terminal, in a pipe or in a log; `status` fills them."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


class Mood(enum.Enum):
    """How a state is to be taken; its value is the colour's number in ECMA-48, section 8.3.117."""

    GOOD = "32"
    BAD = "31"
    UNSURE = "33"
    NONE = ""


@dataclass(frozen=True)
class Line:
    """One thing, its state, something about it, and the things below it."""

    title: str
    state: str = ""
    detail: str = ""
    mood: Mood = Mood.NONE
    children: Sequence[Line] = field(default=())


@dataclass(frozen=True)
class Style:
    """What the place that is written to can show."""

    colour: bool = False
    unicode: bool = True

    @property
    def branches(self) -> tuple[str, str, str, str]:
        """Before a child, before the last child, and what continues below each of them."""
        return ("├─ ", "└─ ", "│  ", "   ") if self.unicode else ("|- ", "`- ", "|  ", "   ")

    def painted(self, text: str, mood: Mood) -> str:
        """`text` in its mood's colour, where there are colours."""
        return f"\x1b[{mood.value}m{text}\x1b[0m" if self.colour and mood.value and text.strip() else text


def render(roots: Sequence[Line], style: Style) -> str:
    """All trees, one below the other, their columns aligned throughout."""
    placed = [item for root in roots for item in _placed(root, "", "", style)]
    first = max((len(text) for text, _ in placed), default=0)
    second = max((len(line.state) for _, line in placed), default=0)
    return "".join(_row(text, line, first, second, style) + "\n" for text, line in placed)


def _placed(line: Line, prefix: str, below: str, style: Style) -> Iterator[tuple[str, Line]]:
    """Every line with its drawn title."""
    yield prefix + line.title, line
    branch, last_branch, trunk, blank = style.branches
    for number, child in enumerate(line.children, start=1):
        last = number == len(line.children)
        yield from _placed(child, below + (last_branch if last else branch), below + (blank if last else trunk), style)


def _row(text: str, line: Line, first: int, second: int, style: Style) -> str:
    state = style.painted(line.state.ljust(second), line.mood)
    detail = plain(line.detail)
    return f"{text.ljust(first)}  {state}  {detail}".rstrip() if detail or line.state else text


def plain(text: str) -> str:
    """One line without control characters: a tenant's message must not move anybody's cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
