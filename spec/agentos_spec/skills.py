"""Skills: what an agent knows how to do, told to its model in a line and in full when it asks.

The rules of names and lengths are those of agno's `skills/validator.py`, which has them of the Agent Skills
specification; agno applies them to folders alone.
"""

from __future__ import annotations

from agentos_spec.arguments import SkillSpec, SkillsSpec
from agentos_spec.node import Node

MOST_SKILLS = 32
MOST_REFERENCES = 16
_NAME = r"(?=.{1,64}$)[a-z0-9]+(-[a-z0-9]+)*"
_NAME_MEANS = "a name of at most 64 lower-case letters, digits and single '-' between them"
_LONGEST_DESCRIPTION = 1024
_FILE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_FILE_MEANS = "the name of a text, of letters, digits, '.', '_' and '-'"


class Skills:
    """The kind of parameter."""

    def read(self, node: Node) -> SkillsSpec:
        skills = tuple(map(_skill, node.items(at_least=1, at_most=MOST_SKILLS)))
        names = [skill.name for skill in skills]
        if twice := [name for name in names if names.count(name) > 1]:
            node.fail(f"two entries have the name {twice[0]!r}; leave one out")
        return SkillsSpec(skills)


def _skill(node: Node) -> SkillSpec:
    have = node.fields(["name", "description", "instructions"], ["references"])
    description = have["description"].text()
    if (length := len(description)) > _LONGEST_DESCRIPTION:
        have["description"].fail(
            f"has {length} characters; it takes at most {_LONGEST_DESCRIPTION}, and instructions take the rest"
        )
    return SkillSpec(
        name=have["name"].name(_NAME, _NAME_MEANS),
        description=description,
        instructions=have["instructions"].text(),
        references=_references(have["references"]) if "references" in have else {},
    )


def _references(node: Node) -> dict[str, str]:
    given = node.values()
    if len(given) > MOST_REFERENCES:
        node.fail(f"has {len(given)} entries; it takes at most {MOST_REFERENCES}")
    return {
        Node(name, node.path).name(_FILE, _FILE_MEANS): Node(text, f"{node.path}.{name}").text()
        for name, text in given.items()
    }
