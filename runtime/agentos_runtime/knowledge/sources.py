"""What the sources of a knowledge hold now: files of mounted ConfigMaps, and texts behind URLs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agentos_runtime.auth.fetch import Fetch, FetchFailed
from agentos_spec import SourceSpec

LARGEST = 1024 * 1024
"""Of a text behind a URL: as much as a ConfigMap can hold."""
_ACCEPT = "text/plain, text/markdown, text/*;q=0.9, application/json;q=0.8"


@dataclass(frozen=True)
class Found:
    """By label, each text and what is wrong with it."""

    texts: Mapping[str, bytes] = field(default_factory=dict)
    troubles: Mapping[str, str] = field(default_factory=dict)
    """By the label of a source that could not be read; what was loaded of it before stays."""


def read_config_map(source: SourceSpec, folder: Path) -> Found:
    """The files of one ConfigMap, each by its key."""
    place = folder / str(source.config_map)
    names = [source.key] if source.key else _names(place)
    texts: dict[str, bytes] = {}
    troubles: dict[str, str] = {}
    for name in names:
        label = f"configMap/{source.config_map}/{name}"
        try:
            data = (place / name).read_bytes()
            data.decode()
        except OSError as error:
            troubles[label] = f"it cannot be read ({type(error).__name__})"
        except UnicodeDecodeError:
            troubles[label] = "it is no text in UTF-8"
        else:
            texts[label] = data
    if not names:
        troubles[source.label] = "there is no such directory of texts"
    return Found(texts, troubles)


def _names(place: Path) -> list[str]:
    """Keys of a ConfigMap; names with two dots are the kubelet's own."""
    try:
        return sorted(each.name for each in place.iterdir() if not each.name.startswith("..") and each.is_file())
    except OSError:
        return []


async def fetch(source: SourceSpec, *, laptop: bool) -> Found:
    """The text behind a URL, by the rules of key sets: no redirect, and no address that is not to be called."""
    try:
        data = await Fetch(str(source.url), laptop=laptop, accept=_ACCEPT, largest=LARGEST)()
        data.decode()
    except FetchFailed as error:
        return Found(troubles={source.label: str(error)})
    except UnicodeDecodeError:
        return Found(troubles={source.label: "it is no text in UTF-8"})
    return Found({source.label: data})
