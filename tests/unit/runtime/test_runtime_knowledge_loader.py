"""Loading the sources of knowledge: what is read, when it is loaded, and what is tried again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentos_runtime.knowledge.loader import Loader, Places
from agentos_runtime.knowledge.sources import Found, read_config_map
from agentos_spec import EmbedderSpec, KnowledgeSpec, SourceSpec

EMBEDDER = EmbedderSpec("openai", "text-embedding-3-small", 1536)
TEXTS = SourceSpec(config_map="texts")
PAGE = SourceSpec(url="https://example.com/page.txt")


@dataclass
class Base:
    """Stands in for a knowledge, with a store that another replica may hold."""

    name: str = "desk/handbook"
    held_by_another: bool = False
    away: bool = False
    kept: dict[str, bytes] = field(default_factory=dict)
    loads: int = 0

    @property
    def vectors(self) -> Base:
        return self

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        yield not self.held_by_another

    async def declare(self, label: str, text: bytes) -> str | None:
        self.loads += 1
        if self.away:
            return "Embedding failed."
        self.kept[label] = text
        return None

    async def keep_only(self, labels: Sequence[str]) -> None:
        self.kept = {label: text for label, text in self.kept.items() if label in labels}


@dataclass
class World:
    """What sources hold, and how often each was read."""

    holds: dict[str, Found]
    read: list[str] = field(default_factory=list)

    async def __call__(self, source: SourceSpec) -> Found:
        self.read.append(source.label)
        return self.holds[source.label]


def loader_of(base: Base, world: World, *sources: SourceSpec) -> Loader:
    standing_in: Any = base
    return Loader(KnowledgeSpec("handbook", EMBEDDER, sources=sources), standing_in, world)


def texts(**changes: bytes) -> Found:
    return Found({f"configMap/texts/{name}": text for name, text in changes.items()})


async def test_texts_are_loaded_once_and_again_when_they_change() -> None:
    base, world = Base(), World({TEXTS.label: texts(a=b"one", b=b"two")})
    loader = loader_of(base, world, TEXTS)
    then = await loader.look(0)
    assert (base.loads, loader.status()["status"], loader.status()["texts"]) == (2, "loaded", 2)
    then = await loader.look(then)
    assert base.loads == 2
    world.holds[TEXTS.label] = texts(a=b"changed")
    await loader.look(then)
    assert base.kept == {"configMap/texts/a": b"changed"}


async def test_a_text_that_is_broken_and_mended_is_loaded_again() -> None:
    base, good = Base(), texts(a=b"one", b=b"two")
    world = World({TEXTS.label: good})
    loader = loader_of(base, world, TEXTS)
    then = await loader.look(0)
    world.holds[TEXTS.label] = Found({"configMap/texts/a": b"changed"}, {"configMap/texts/b": "it is no text in UTF-8"})
    then = await loader.look(then)
    assert (loader.status()["status"], base.kept["configMap/texts/b"]) == ("failed", b"two")
    world.holds[TEXTS.label] = good
    await loader.look(then)
    assert (loader.status()["status"], base.kept["configMap/texts/a"]) == ("loaded", b"one")


async def test_before_its_time_nothing_is_read() -> None:
    world = World({TEXTS.label: texts(a=b"one")})
    loader = loader_of(Base(), world, TEXTS)
    assert await loader.look(await loader.look(0) - 0.1) > 0
    assert world.read == [TEXTS.label]


async def test_a_page_is_fetched_once_in_the_life_of_a_process() -> None:
    world = World({PAGE.label: Found({PAGE.label: b"one"})})
    loader = loader_of(Base(), world, PAGE)
    await loader.look(await loader.look(0))
    assert world.read == [PAGE.label]


async def test_a_page_that_cannot_be_fetched_is_tried_less_and_less_often_and_what_was_there_stays() -> None:
    base = Base(kept={PAGE.label: b"earlier", "configMap/gone/a": b"gone"})
    world = World({PAGE.label: Found(troubles={PAGE.label: "its answer was 500"}), TEXTS.label: texts(a=b"one")})
    loader = loader_of(base, world, PAGE, TEXTS)
    now, waits = 0.0, []
    for _ in range(9):
        then = await loader.look(now)
        waits.append(then - now)
        now = then
    assert waits == [4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert base.kept == {PAGE.label: b"earlier", "configMap/texts/a": b"one"}
    assert loader.status()["message"] == f"{PAGE.label}: its answer was 500"
    world.holds[PAGE.label] = Found({PAGE.label: b"later"})
    await loader.look(now)
    assert (loader.status()["status"], base.kept[PAGE.label]) == ("loaded", b"later")


async def test_an_embedder_that_is_away_is_told_and_tried_again() -> None:
    base = Base(away=True)
    loader = loader_of(base, World({TEXTS.label: texts(a=b"one", b=b"two")}), TEXTS)
    then = await loader.look(0)
    assert loader.status()["message"] == "configMap/texts/a: Embedding failed. (and 1 more)"
    base.away = False
    await loader.look(then)
    assert loader.status() == {"id": "handbook", "name": base.name, "status": "loaded", "texts": 2}


async def test_while_another_replica_loads_nothing_is_loaded_here() -> None:
    base = Base(held_by_another=True)
    loader = loader_of(base, World({TEXTS.label: texts(a=b"one")}), TEXTS)
    then = await loader.look(0)
    assert (base.loads, loader.status()["status"]) == (0, "loading")
    base.held_by_another = False
    await loader.look(then)
    assert loader.status()["status"] == "loaded"


async def test_whatever_goes_wrong_the_process_goes_on() -> None:
    loader = loader_of(Base(), World({}), TEXTS)
    assert await loader.look(0) == 4
    assert loader.status()["message"] == "it cannot be loaded now (KeyError)"


async def test_a_config_map_is_read_as_the_kubelet_lays_it_out(tmp_path: Path) -> None:
    place = tmp_path / "texts" / "..2026"
    place.mkdir(parents=True)
    (place / "a.md").write_text("one")
    (place / "logo.png").write_bytes(b"\x89PNG\xff")
    (tmp_path / "texts" / "..data").symlink_to("..2026")
    for name in ("a.md", "logo.png"):
        (tmp_path / "texts" / name).symlink_to(f"..data/{name}")
    found = await Places(tmp_path, laptop=False).read(TEXTS)
    assert found.texts == {"configMap/texts/a.md": b"one"}
    assert found.troubles == {"configMap/texts/logo.png": "it is no text in UTF-8"}


def test_what_is_not_mounted_is_told(tmp_path: Path) -> None:
    missing = read_config_map(TEXTS, tmp_path)
    assert missing.troubles == {"configMap/texts": "there is no such directory of texts"}
    key = read_config_map(SourceSpec(config_map="texts", key="a.md"), tmp_path)
    assert key.troubles == {"configMap/texts/a.md": "it cannot be read (FileNotFoundError)"}


async def test_a_page_in_the_cluster_that_does_not_exist_is_told() -> None:
    found = await Places(Path(), laptop=False).read(SourceSpec(url="http://nothing.nowhere.svc/a.txt"))
    assert list(found.troubles) == ["http://nothing.nowhere.svc/a.txt"]
