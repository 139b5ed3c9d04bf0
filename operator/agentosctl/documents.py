"""The documents of YAML files, each with the line where it begins; `validate` checks them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SUFFIXES = (".yaml", ".yml", ".json")
"""Of a folder, the files that kubectl would read too."""
STDIN = "-"


@dataclass(frozen=True)
class Document:
    """One document, or why it cannot be read."""

    place: str
    """File and line."""
    content: Any = None
    fault: str | None = None


def files(argument: str) -> list[str]:
    """What `-f` names: a file, standard input, or the files of a folder; ValueError when there is nothing."""
    path = Path(argument)
    if argument == STDIN or path.is_file():
        return [argument]
    if not path.is_dir():
        raise ValueError(f"there is no file or folder {argument!r}")
    found = [str(each) for each in sorted(path.iterdir()) if each.suffix in SUFFIXES and each.is_file()]
    if not found:
        raise ValueError(f"the folder {argument!r} has no file that ends in {', '.join(SUFFIXES)}")
    return found


def read(file: str) -> Iterator[Document]:
    """Every document of a file; behind a fault of YAML nothing can be read."""
    name = "<stdin>" if file == STDIN else file
    try:
        text = sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield Document(f"{name}:1", fault=f"cannot be read: {_short(error)}")
        return
    try:
        yield from _documents(name, text)
    except RecursionError:
        yield Document(f"{name}:1", fault="is nested too deep to be read")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or _short(error)
        yield Document(f"{name}:{mark.line + 1 if mark else 1}", fault=f"is not YAML: {why}")


def _documents(name: str, text: str) -> Iterator[Document]:
    loader = yaml.SafeLoader(text)
    while loader.check_node() and (node := loader.get_node()) is not None:
        content = loader.construct_document(node)
        if content is not None:
            yield Document(f"{name}:{node.start_mark.line + 1}", content)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
