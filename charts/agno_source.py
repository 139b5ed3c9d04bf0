"""agno's source as it is written, without importing it: most of its modules need packages that no image has.

`charts/catalogue.py` reads classes with it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Class:
    """A class, and the module whose names its source uses."""

    module: str
    node: ast.ClassDef

    @property
    def key(self) -> str:
        """Its full name."""
        return f"{self.module}.{self.node.name}"

    def method(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The method of that name which the class itself defines."""
        for each in self.node.body:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name == name:
                return each
        return None


class Source:
    """The packages below one folder of site-packages."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._trees: dict[str, list[ast.stmt]] = {}

    def modules(self, package: str) -> list[str]:
        """Names of the modules and packages directly below a package, sorted."""
        folder = self._root / package.replace(".", "/")
        files = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
        return sorted(files | {path.parent.name for path in folder.glob("*/__init__.py")})

    def own_names(self, module: str) -> list[str]:
        """What a module defines at its top, or imports there from inside itself."""
        return [name for each in self._statements(module) if _is_own(each, module) for name in _defined(each)]

    def find(self, module: str, name: str) -> tuple[str, ast.stmt] | None:
        """The statement that defines a name of a module, in whichever module of the same tree it stands."""
        for statement in self._statements(module):
            if name not in _defined(statement):
                continue
            if not isinstance(statement, ast.ImportFrom):
                return module, statement
            original = next(each.name for each in statement.names if (each.asname or each.name) == name)
            return self.find(str(statement.module), original)
        return None

    def find_class(self, module: str, name: str) -> Class | None:
        """The class that a name of a module stands for."""
        found = self.find(module, name)
        return Class(found[0], found[1]) if found and isinstance(found[1], ast.ClassDef) else None

    def lineage(self, found: Class) -> Iterator[Class]:
        """A class and those it is derived from, as far as their source is there; agno's have one base each."""
        yield found
        for base in found.node.bases:
            if isinstance(base, ast.Name) and (above := self.find_class(found.module, base.id)):
                yield from self.lineage(above)

    def _statements(self, module: str) -> list[ast.stmt]:
        if module not in self._trees:
            place = self._root / module.replace(".", "/")
            path = next((each for each in (place.with_suffix(".py"), place / "__init__.py") if each.is_file()), None)
            self._trees[module] = list(_flat(ast.parse(path.read_text("utf-8")).body)) if path else []
        return self._trees[module]


def _flat(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """A module's statements with those it tries first, and what it imports lazily, as `TYPE_CHECKING` says.

    What stands behind `except ImportError` is a placeholder.
    """
    for statement in body:
        if isinstance(statement, ast.Try | ast.If):
            yield from _flat(statement.body)
        else:
            yield statement


def _is_own(statement: ast.stmt, module: str) -> bool:
    return not isinstance(statement, ast.ImportFrom) or str(statement.module).startswith(f"{module}.")


def _defined(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.ClassDef(name=name):
            return [name]
        case ast.ImportFrom(names=names, level=0):
            return [each.asname or each.name for each in names]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []
