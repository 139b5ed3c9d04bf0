"""Skills out of the document: agno's Skills reads them from folders, and its tool for scripts runs what it finds there.

A script would be a program of whoever writes the document, in the process that holds the database's password: programs
come in an image of one's own, as tools.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from agno.skills import Skill, SkillLoader, Skills
from agno.tools.function import Function

from agentos_spec import SkillsSpec

_HEAD = """\
<skills_system>
You have skills: instructions for tasks of a kind. Of each you see its name and what it is for. Before you begin with a
task that one is for, read it with the tool get_skill_instructions(skill_name), and then do as it says. Texts under
<references> are read with get_skill_reference(skill_name, reference_path). The name of a skill is no tool."""


class _Declared(SkillLoader):
    """agno's way to say where skills are from."""

    def __init__(self, spec: SkillsSpec) -> None:
        self._spec = spec

    def load(self) -> list[Skill]:
        return [
            Skill(each.name, each.description, each.instructions, source_path="", references=sorted(each.references))
            for each in self._spec.skills
        ]


class DeclaredSkills(Skills):
    """Skills that are texts alone, and are where the document was read into."""

    def __init__(self, spec: SkillsSpec) -> None:
        self._texts: Mapping[str, Mapping[str, str]] = {each.name: each.references for each in spec.skills}
        super().__init__([_Declared(spec)])

    def get_system_prompt_snippet(self) -> str:
        """agno's own tells of scripts, and of a tool for them."""
        return "\n".join([_HEAD, *map(_shown, self.get_all_skills()), "</skills_system>"])

    def get_tools(self) -> list[Function]:
        """agno's, without the one that reads and runs scripts."""
        return [tool for tool in super().get_tools() if tool.name != "get_skill_script"]

    def _get_skill_reference(self, skill_name: str, reference_path: str | None = None) -> str:
        """What agno reads from a file.

        Args:
            skill_name: The name of the skill.
            reference_path: The name of the reference.
        """
        texts = self._texts.get(skill_name, {})
        if reference_path is None or reference_path not in texts:
            there = {name: sorted(each) for name, each in self._texts.items() if each}
            return json.dumps({"error": "There is no such reference.", "available_references": there})
        content = {"skill_name": skill_name, "reference_path": reference_path, "content": texts[reference_path]}
        return json.dumps(content, ensure_ascii=False)


def _shown(skill: Skill) -> str:
    references = f"\n  <references>{', '.join(skill.references)}</references>" if skill.references else ""
    return (
        f"<skill>\n  <name>{skill.name}</name>\n  <description>{skill.description}</description>{references}\n</skill>"
    )


def compile_skills(spec: SkillsSpec) -> Skills:
    """Those of one agent or team."""
    return DeclaredSkills(spec)
