"""An image's tag must change with its content, or pods keep running yesterday's code."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import images_recipes
from local.images_recipes import Recipe
from local.steps import StepFailedError


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """A recipe of one Dockerfile and a folder with one module."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("print(1)\n")
    return Recipe("app", "1", tmp_path / "Dockerfile", {"app": tmp_path / "app"})


def test_the_same_sources_give_the_same_key(recipe: Recipe) -> None:
    assert recipe.key("base") == recipe.key("base")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param("app/main.py", "print(2)\n", id="a changed source"),
        pytest.param("app/more.py", "", id="a new and empty source"),
        pytest.param("Dockerfile", "FROM scratch\nUSER 1\n", id="a changed Dockerfile"),
    ],
)
def test_a_change_of_what_goes_in_changes_the_key(recipe: Recipe, path: str, text: str) -> None:
    before = recipe.key("base")
    (recipe.dockerfile.parent / path).write_text(text)
    assert recipe.key("base") != before


def test_a_renamed_source_changes_the_key(recipe: Recipe) -> None:
    before = recipe.key("base")
    source = recipe.files["app"] / "main.py"
    source.rename(source.with_name("other.py"))
    assert recipe.key("base") != before


def test_a_script_that_becomes_executable_changes_the_key(recipe: Recipe) -> None:
    before = recipe.key("base")
    (recipe.files["app"] / "main.py").chmod(0o755)
    assert recipe.key("base") != before


def test_another_base_changes_the_key(recipe: Recipe) -> None:
    assert recipe.key("base") != recipe.key("another")


@pytest.mark.parametrize("path", ["__pycache__/main.cpython-313.pyc", "main.pyc", ".main.py.swp", ".cache/x"])
def test_what_tools_leave_beside_sources_neither_changes_the_key_nor_enters_the_image(
    recipe: Recipe, tmp_path: Path, path: str
) -> None:
    before = recipe.key("base")
    leftover = recipe.files["app"] / path
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"left")
    assert recipe.key("base") == before
    images_recipes.stage(recipe, tmp_path / "context")
    staged = [file.name for file in (tmp_path / "context").rglob("*") if file.is_file()]
    assert sorted(staged) == ["Dockerfile", "main.py"]


def test_a_script_stays_executable_in_the_build_context(recipe: Recipe, tmp_path: Path) -> None:
    (recipe.files["app"] / "main.py").chmod(0o755)
    images_recipes.stage(recipe, tmp_path / "context")
    assert (tmp_path / "context/app/main.py").stat().st_mode & 0o111


def test_sources_of_the_operator_do_not_touch_the_runtime_image() -> None:
    files = images_recipes.recipe("agentos-runtime").files
    assert "runtime" in files
    assert not [place for place in files if place.startswith("operator")]


@pytest.mark.parametrize("image", ["agentos-operator", "agentos-runtime"])
def test_a_change_of_what_both_programs_read_touches_both_images(image: str) -> None:
    assert "spec" in images_recipes.recipe(image).files


def test_an_unknown_image_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(StepFailedError) as caught:
        images_recipes.recipe("agentos-runtmie")
    assert "agentos-runtime" in caught.value.advice


def test_the_image_with_all_packages_differs_from_the_small_one_in_its_lock_alone() -> None:
    small, large = (images_recipes.recipe(name) for name in ("agentos-runtime", "agentos-runtime-all"))
    assert small.dockerfile == large.dockerfile
    assert small.files.keys() ^ large.files.keys() == {"requirements/runtime.txt", "requirements/runtime-all.txt"}
    assert (small.arguments, large.arguments) == ({}, {"LOCK": "runtime-all"})
    assert small.key("base") != large.key("base")
