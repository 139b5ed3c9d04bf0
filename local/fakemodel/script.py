"""What the model says: a pure function from the messages of a request to a reply."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Message = Mapping[str, Any]


@dataclass(frozen=True)
class ToolCall:
    """One function the model asks its client to run."""

    name: str
    arguments: str
    """JSON text, passed on as the script wrote it."""


@dataclass(frozen=True)
class Reply:
    """The model's answer, before it takes a wire format."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    status: int = 200
    """Anything but 200 is answered as an error of the provider."""
    seconds: float = 0.0
    """How long the answer takes; a stream spreads its chunks over it."""
    silence: float = 0.0
    """Seconds before the first word of it."""
    breaks: bool = False
    """Drop the connection in the middle of the answer."""
    chunks: tuple[str, ...] = field(default=())
    """The text as a stream sends it; words where a script does not say."""


def reply_to(messages: Sequence[Message]) -> Reply:
    """Answer a conversation. A tool result is echoed; else the last user message is the script."""
    results = _trailing_tool_results(messages)
    if results:
        return said("The tool answered: " + "; ".join(results))
    earlier, text = _user_texts(messages)
    word, _, rest = text.strip().partition(" ")
    if word.lower() == "history":
        return said("Before this you said: " + (" | ".join(earlier) or "nothing"))
    if word.lower() == "system":
        told = [text_of(message) for message in messages if message.get("role") in ("system", "developer")]
        return said("I was told: " + "\n".join(told))
    if word.lower() == "call":
        return Reply(tool_calls=tuple(_call(line) for line in text.strip().splitlines()))
    script = _SCRIPTS.get(word.lower())
    return (script and script(rest.strip())) or said(f"You said: {text}")


def said(text: str) -> Reply:
    """A plain answer, streamed word by word."""
    words = text.split(" ")
    return Reply(text=text, chunks=(*(word + " " for word in words[:-1]), words[-1]))


def _fail(rest: str) -> Reply | None:
    """`fail <status>`."""
    return Reply(text="the script asked for this failure", status=int(rest)) if rest.isdigit() else None


def _wait(rest: str) -> Reply | None:
    """`wait <seconds> [text]`, ten minutes at most."""
    seconds, text = _seconds(rest)
    return None if seconds is None else replace(said(text or "I have waited as long as I was told"), seconds=seconds)


def _think(rest: str) -> Reply | None:
    """`think <seconds> [text]`, ten minutes at most."""
    seconds, text = _seconds(rest)
    return None if seconds is None else replace(said(text or "I have thought about it"), silence=seconds)


def _seconds(rest: str) -> tuple[float | None, str]:
    """A number of seconds and what follows it."""
    number, _, text = rest.partition(" ")
    try:
        return min(max(float(number), 0.0), 600.0), text
    except ValueError:
        return None, text


def _break(rest: str) -> Reply:
    """`break [text]`."""
    return replace(said(rest or "this answer is cut"), breaks=True)


def _count(rest: str) -> Reply | None:
    """`count <n>`."""
    return said(" ".join(str(n) for n in range(1, int(rest) + 1))) if rest.isdigit() else None


_SCRIPTS: Mapping[str, Callable[[str], Reply | None]] = {
    "fail": _fail,
    "wait": _wait,
    "think": _think,
    "break": _break,
    "count": _count,
}
"""First words that are a script where their argument fits; else the message is an ordinary one."""


def _call(line: str) -> ToolCall:
    """`call <function> <json>`; without arguments the function gets an empty object."""
    _, _, rest = line.strip().partition(" ")
    name, _, arguments = rest.strip().partition(" ")
    return ToolCall(name=name, arguments=arguments.strip() or "{}")


def _trailing_tool_results(messages: Sequence[Message]) -> list[str]:
    """Contents of the tool messages after the last message of anyone else."""
    results: list[str] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        results.append(text_of(message))
    return results[::-1]


def _user_texts(messages: Sequence[Message]) -> tuple[list[str], str]:
    """What the user said before, and last."""
    texts = [text_of(message) for message in messages if message.get("role") == "user"]
    return (texts[:-1], texts[-1]) if texts else ([], "")


def text_of(message: Message) -> str:
    """The text of a message whose content is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping)).strip()
    return content if isinstance(content, str) else json.dumps(content) if content is not None else ""
