"""`spec.knowledge`: texts that agents and teams search, who embeds them, and where they come from."""

from __future__ import annotations

from agentos_spec.components import LABEL, LABEL_MEANS
from agentos_spec.errors import did_you_mean
from agentos_spec.model import EmbedderSpec, KnowledgeSpec, SourceSpec
from agentos_spec.models import parse_base_url, parse_id, parse_secret
from agentos_spec.node import Node
from agentos_spec.tools import CONFIG_MAP, CONFIG_MAP_KEY

EMBEDDERS = {
    "fireworks": "agno.knowledge.embedder.fireworks.FireworksEmbedder",
    "nebius": "agno.knowledge.embedder.nebius.NebiusEmbedder",
    "openai": "agno.knowledge.embedder.openai.OpenAIEmbedder",
    "together": "agno.knowledge.embedder.together.TogetherEmbedder",
}
"""By the word of the document, agno's class: those that speak OpenAI's protocol, whose SDK is in the image."""
KNOWN_DIMENSIONS = {
    "openai:text-embedding-3-large": 3072,
    "openai:text-embedding-3-small": 1536,
    "openai:text-embedding-ada-002": 1536,
}
MOST_DIMENSIONS = 16_000
"""Of a column of pgvector."""
_URL = r"(https://[^\s/?#@]+|http://[a-z0-9.-]+\.svc(\.cluster\.local)?(:[0-9]{1,5})?)(/[^\s?#@]*)?"


def parse_knowledge(node: Node) -> KnowledgeSpec:
    """One entry of `spec.knowledge`."""
    have = node.fields(["id", "embedder"], ["description", "sources", "maxResults"])
    return KnowledgeSpec(
        id=have["id"].name(LABEL, LABEL_MEANS),
        embedder=_embedder(have["embedder"]),
        description=have["description"].text() if "description" in have else None,
        sources=_sources(have["sources"]) if "sources" in have else (),
        max_results=have["maxResults"].integer(1, 100) if "maxResults" in have else 10,
        path=node.path,
    )


def _embedder(node: Node) -> EmbedderSpec:
    have = node.fields(["id"], ["baseURL", "apiKeySecretRef", "dimensions"])
    provider, name = parse_id(have["id"], "openai:text-embedding-3-small")
    if provider not in EMBEDDERS:
        hint = did_you_mean(provider, EMBEDDERS) or (
            f"; there are {', '.join(EMBEDDERS)}, and openai with a baseURL for every server that speaks its protocol"
        )
        have["id"].fail(f"{provider!r} is no provider of embedders here{hint}")
    return EmbedderSpec(
        provider=provider,
        id=name,
        dimensions=_dimensions(node, have.get("dimensions"), f"{provider}:{name}"),
        base_url=parse_base_url(have["baseURL"]) if "baseURL" in have else None,
        api_key=parse_secret(have["apiKeySecretRef"]) if "apiKeySecretRef" in have else None,
        path=node.path,
    )


def _dimensions(embedder: Node, given: Node | None, model: str) -> int:
    """The table's column has so many for good, so that a guess would be found out by the first text."""
    if given is not None:
        return given.integer(1, MOST_DIMENSIONS)
    if model not in KNOWN_DIMENSIONS:
        embedder.fail(f"dimensions is missing; add how many numbers a vector of {model!r} has")
    return KNOWN_DIMENSIONS[model]


def _sources(node: Node) -> tuple[SourceSpec, ...]:
    items = node.items(at_least=1, at_most=32)
    sources = tuple(_source(item) for item in items)
    labels = [source.label for source in sources]
    for place, item in enumerate(items):
        if labels.index(labels[place]) != place:
            item.fail("is named above already; leave one out")
    return sources


def _source(node: Node) -> SourceSpec:
    have = node.fields([], ["configMap", "url"])
    if len(have) != 1:
        node.fail("give exactly one of configMap and url")
    if "url" in have:
        meaning = "an https URL, or http://<service>.<namespace>.svc, without user, query and fragment"
        return SourceSpec(url=have["url"].untold(_URL, meaning), path=node.path)
    inner = have["configMap"].fields(["name"], ["key"])
    return SourceSpec(
        config_map=inner["name"].name(CONFIG_MAP, "the name of a ConfigMap"),
        key=inner["key"].name(CONFIG_MAP_KEY, "a key of a ConfigMap") if "key" in inner else None,
        path=node.path,
    )
