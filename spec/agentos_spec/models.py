"""A model, wherever the document names one."""

from __future__ import annotations

from agentos_spec.arguments import ModelSpec, SecretRef
from agentos_spec.node import Node

_SECRET_NAME = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"  # noqa: S105 - a pattern of names
_SECRET_KEY = r"(?!\.\.?$)[A-Za-z0-9._-]{1,253}"  # noqa: S105 - a pattern of keys


def parse_model(node: Node) -> ModelSpec:
    """`{id, baseURL, apiKeySecretRef, options}`."""
    have = node.fields(["id"], ["baseURL", "apiKeySecretRef", "options"])
    provider, name = parse_id(have["id"], "openai-chat:gpt-4o-mini")
    return ModelSpec(
        provider=provider,
        id=name,
        base_url=parse_base_url(have["baseURL"]) if "baseURL" in have else None,
        api_key=parse_secret(have["apiKeySecretRef"]) if "apiKeySecretRef" in have else None,
        options=have["options"].values() if "options" in have else {},
        path=node.path,
    )


def parse_id(node: Node, example: str) -> tuple[str, str]:
    """Provider and model of `<provider>:<model>`."""
    provider, colon, name = node.text().partition(":")
    if not (colon and provider.strip() and name.strip()):
        node.fail(f"{node.value!r} must read '<provider>:<model>', e.g. {example!r}")
    return provider.strip(), name.strip()


def parse_base_url(node: Node) -> str:
    """Where another endpoint of the provider's protocol is."""
    return node.untold(r"https?://[^\s/?#]+[^\s?#]*", "an http or https URL without query, e.g. 'https://host/v1'")


def parse_secret(node: Node) -> SecretRef:
    """`{name, key}`."""
    have = node.fields(["name", "key"])
    return SecretRef(
        name=have["name"].untold(_SECRET_NAME, "the name of a Secret"),
        key=have["key"].untold(_SECRET_KEY, "a key of a Secret"),
    )
