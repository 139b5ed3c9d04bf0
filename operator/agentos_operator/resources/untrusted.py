"""What a tenant's pod says, cut to what may stand in a status that administrators read; pure."""

from __future__ import annotations


def one_line(text: str, longest: int) -> str:
    """At most ``longest`` characters on one line, without any that a terminal would obey."""
    # JSON can hold half a surrogate pair, which no UTF-8 text can.
    words = text.encode(errors="replace").decode().split()
    line = " ".join("".join(each for each in word if each.isprintable()) for word in words)
    return line if len(line) <= longest else line[: longest - 1] + "…"
