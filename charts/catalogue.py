"""Write down what the pinned agno knows: providers and their options, toolkits with options and functions, guardrails.

`charts/generate.py` calls it; `agentos_spec.catalogue` reads the file, so that a document is checked where agno is not.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from agentos_spec.guardrails import GUARDRAILS
from charts.agno_source import Class, Source

PLACE = Path("spec/agentos_spec/catalogue.json")
_TOOLKIT = "agno.tools.toolkit.Toolkit"
_OBJECTS = {"tools", "async_tools"}
"""Options of every toolkit that take functions of Python, which no file can give."""
_WORDS = {"str": "text", "int": "whole", "float": "number", "bool": "flag", "dict": "mapping", "Dict": "mapping"}


@cache
def catalogue_text() -> str:
    """The whole file: a line for each provider, class and toolkit, so that a difference can be read."""
    agno = distribution("agno")
    source = Source(Path(str(agno.locate_file(""))))
    classes: dict[str, Any] = {}
    providers = dict(_providers(source, classes))
    parts = {
        "providers": providers,
        "classes": classes,
        "toolkits": dict(_toolkits(source)),
        "guardrails": {name: _parameters(_guardrail(source, cls)) for name, cls in GUARDRAILS.items()},
    }
    base = [name for name in _parameters(_known(source, _TOOLKIT)) if name not in _OBJECTS]
    head = f'{{\n"agno": {json.dumps(agno.version)},\n"everyToolkit": {json.dumps(base)},\n'
    return head + ",\n".join(f'"{name}": {_lines(part)}' for name, part in parts.items()) + "\n}\n"


def _lines(part: Mapping[str, Any]) -> str:
    dumped = (f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in sorted(part.items()))
    return "{\n" + ",\n".join(dumped) + "\n}"


def _known(source: Source, path: str) -> Class:
    module, _, name = path.rpartition(".")
    found = source.find_class(module, name)
    assert found is not None, f"agno has no {path} any more"  # noqa: S101 - this agno is not the one written for
    return found


# Models


def _providers(source: Source, classes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each key of agno's own table with its class, which is added to `classes` together with its bases."""
    found = source.find("agno.models.utils", "_PROVIDERS")
    assert found is not None  # noqa: S101 - as above
    assert isinstance(found[1], ast.AnnAssign)  # noqa: S101 - as above
    table: dict[str, tuple[str, str, str, str]] = ast.literal_eval(found[1].value)  # type: ignore[arg-type]
    for key, (module, name, *_) in table.items():
        lineage = list(source.lineage(_known(source, f"{module}.{name}")))
        for cls, above in zip(lineage, [*lineage[1:], None], strict=True):
            classes[cls.key] = {"base": above.key if above else None, "options": dict(_fields(source, cls))}
        yield key, lineage[0].key


def _fields(source: Source, cls: Class) -> Iterator[tuple[str, str]]:
    """The fields of a dataclass that its constructor takes, each with what it takes."""
    for statement in cls.node.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                if not name.startswith("_"):
                    yield name, "|".join(_takes(source, cls.module, annotation))


def _takes(source: Source, module: str, annotation: ast.expr) -> list[str]:
    """What fits an annotation, in the words of `agentos_spec.values`; "any" where that cannot be said."""
    match annotation:
        case ast.Name(id=name):
            return [_WORDS[name]] if name in _WORDS else _alias(source, module, name)
        case ast.Subscript(value=ast.Name(id=name), slice=inner):
            return _generic(source, module, name, inner.elts if isinstance(inner, ast.Tuple) else [inner])
        case _:
            return ["any"]


def _alias(source: Source, module: str, name: str) -> list[str]:
    match source.find(module, name):
        case (where, ast.Assign(value=value)):
            return _takes(source, where, value)
        case _:
            return ["any"]


def _generic(source: Source, module: str, name: str, inner: list[ast.expr]) -> list[str]:
    match name:
        case "Optional" | "Union":
            words = [word for each in inner for word in _takes(source, module, each)]
            return [*words, *(["nothing"] if name == "Optional" else [])]
        case "Literal":
            return [f"={ast.literal_eval(word)}" for word in inner]
        case "List" | "list":
            return ["texts" if _takes(source, module, inner[0]) == ["text"] else "list"]
        case "Dict" | "dict":
            return ["mapping"]
        case _:
            return ["any"]


# Toolkits


def _toolkits(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each module of agno.tools that is a toolkit by the rule of the runtime."""
    for name in source.modules("agno.tools"):
        if cls := _toolkit(source, name):
            yield name, {"options": _options(source, cls), "functions": _functions(source, cls)}


def _toolkit(source: Source, name: str) -> Class | None:
    """The one Toolkit that a module defines; where it defines several, the one named after the module."""
    module = f"agno.tools.{name}"
    found = (source.find_class(module, each) for each in source.own_names(module))
    own = {cls.node.name: cls for cls in found if cls and cls.key != _TOOLKIT and _is_toolkit(source, cls)}
    named = [cls for each, cls in own.items() if each.lower() == name.replace("_", "") + "tools"]
    return named[0] if named else next(iter(own.values())) if len(own) == 1 else None


def _is_toolkit(source: Source, cls: Class) -> bool:
    return any(each.key == _TOOLKIT for each in source.lineage(cls))


def _parameters(cls: Class) -> list[str]:
    init = cls.method("__init__")
    return [each.arg for each in (*init.args.args[1:], *init.args.kwonlyargs)] if init else []


def _options(source: Source, cls: Class) -> list[str]:
    """What a constructor takes; "*" stands for the options of every toolkit, "-x" for one that it sets itself."""
    taken: dict[str, None] = {}
    passed: set[str] = set(_OBJECTS)
    for each in source.lineage(cls):
        given = [name for name in _parameters(each) if name not in passed]
        if each.key == _TOOLKIT:
            kept = (name for name in _parameters(each) if name in passed - _OBJECTS and name not in taken)
            return [*taken, "*", *(f"-{name}" for name in kept)]
        taken |= dict.fromkeys(given)
        init = each.method("__init__")
        if init and init.args.kwarg is None:
            break
        passed |= _set_by_itself(each)
    return list(taken)


def _set_by_itself(cls: Class) -> set[str]:
    """What a constructor passes on by name beside **kwargs, unless it takes that out of them first."""
    init = cls.method("__init__")
    if init is None:
        return set()
    calls = (node for node in ast.walk(init) if isinstance(node, ast.Call))
    above = (call for call in calls if ast.unparse(call.func) == "super().__init__")
    names = {each.arg for call in above for each in call.keywords if each.arg}
    return {name for name in names if f"kwargs.pop('{name}'" not in ast.unparse(init)}


def _functions(source: Source, cls: Class) -> list[str] | None:
    """Every function that some options give the toolkit, None where they are made in ways that cannot be read."""
    init = next((found for each in source.lineage(cls) if (found := each.method("__init__"))), None)
    if init is None or any(each.key == _TOOLKIT and each.method("__init__") is init for each in source.lineage(cls)):
        return None
    names: set[str] = set()
    for item in _listed(init):
        name = _function_name(item)
        if name is None:
            return None
        names.add(name)
    return sorted(names) or None


def _listed(init: ast.AST) -> Iterator[ast.expr]:
    """What a constructor puts into lists whose names say tools, or registers."""
    for node in ast.walk(init):
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=value)
                | ast.Assign(targets=[ast.Name(id=name)], value=value)
            ) if "tools" in name and value is not None:
                yield from value.elts if isinstance(value, ast.List) else [value]
            case ast.AugAssign(target=ast.Name(id=name), value=value) if "tools" in name:
                yield value
            case ast.keyword(arg="tools" | "async_tools", value=value) if not isinstance(value, ast.Name):
                yield from value.elts if isinstance(value, ast.List) else [value]
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append"), args=[item]) if "tools" in name:
                yield item
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="extend"), args=[items]) if "tools" in name:
                yield from items.elts if isinstance(items, ast.List) else [items]
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr="register"), args=[item, *_]):
                yield item


def _function_name(item: ast.expr) -> str | None:
    match item:
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
        case ast.Tuple(elts=[ast.Attribute(), ast.Constant(value=str(name))]):
            return name
    return None


def _guardrail(source: Source, cls: str) -> Class:
    return _known(source, f"agno.guardrails.{cls}")
