"""Which images tenants may run: the list means places, not beginnings of a text."""

from __future__ import annotations

import pytest

from agentos_operator.image_names import check_prefix, is_allowed, parse_image, pull_policy

DIGEST = "@sha256:" + "a" * 64
LIST = ("registry.example.com/agents/", "ghcr.io/acme/runtime", "registry.example.com:5000/x/", "docker.io/acme/")

ALLOWED = [
    "registry.example.com/agents/one",
    "registry.example.com/agents/deep/er/one:1.2.3",
    "registry.example.com/agents/one:1.2.3" + DIGEST,
    "registry.example.com/agents/one" + DIGEST,
    "ghcr.io/acme/runtime",
    "ghcr.io/acme/runtime:latest",
    "registry.example.com:5000/x/y",
    "acme/one",
    "docker.io/acme/one:2",
    "index.docker.io/acme/one",
]
REFUSED = {
    "a host that begins like ours": "registry.example.com.evil.org/agents/one",
    "our host as a user's name": "evil.org/registry.example.com/agents/one",
    "our host before an at sign": "registry.example.com@evil.org/agents/one",
    "our host as the digest's name": "registry.example.com/agents/one@evil.org/x",
    "a name that begins like ours": "registry.example.com/agents-evil/one",
    "the place itself": "registry.example.com/agents",
    "another place of our host": "registry.example.com/other/one",
    "a way up": "registry.example.com/agents/../other/one",
    "a way up in capitals of a URL": "registry.example.com/agents/%2e%2e/other",
    "a double slash": "registry.example.com/agents//one",
    "a port of its own": "registry.example.com:443/agents/one",
    "no port where one is meant": "registry.example.com/x/y",
    "another repository beside the one": "ghcr.io/acme/runtime-evil",
    "one below the one": "ghcr.io/acme/runtime/evil",
    "a short name": "agents/one",
    "a short name of an official image": "runtime",
    "an official image": "docker.io/library/python",
    "a user of Docker Hub whose name begins like ours": "acme-evil/one",
    "a scheme": "https://registry.example.com/agents/one",
    "a user and password": "user:secret@registry.example.com/agents/one",
    "capitals in the path": "registry.example.com/agents/One",
    "an empty tag": "registry.example.com/agents/one:",
    "two tags": "registry.example.com/agents/one:1:2",
    "a short digest": "registry.example.com/agents/one@sha256:aaaa",
    "two digests": "registry.example.com/agents/one" + DIGEST + DIGEST,
    "a path that no node takes": "registry.example.com/agents/" + "a" * 250,
    "a line break": "registry.example.com/agents/one\n",
    "a letter that looks like ours": "registry.ex\u0430mple.com/agents/one",
    "a digit of another script": "registry.example.com/agents/one:\u0661",
    "nothing": "",
    "a slash alone": "/",
}


@pytest.mark.parametrize(
    ("reference", "policy"),
    [
        ("acme/one", "Always"),
        ("acme/one:latest", "Always"),
        ("acme/one:latest" + DIGEST, "Always"),
        ("acme/one:1.2.3", "IfNotPresent"),
        ("acme/one" + DIGEST, "IfNotPresent"),
        ("registry.example.com:5000/x/y", "Always"),
        ("registry.example.com:5000/x/y:2", "IfNotPresent"),
    ],
)
def test_an_image_is_pulled_by_the_rules_of_its_own_tag_and_not_of_the_one_before(reference: str, policy: str) -> None:
    """What the API server makes of an image stays with the next one, unless it is said."""
    assert pull_policy(reference) == policy


@pytest.mark.parametrize("reference", ALLOWED)
def test_an_image_of_an_allowed_place_may_run(reference: str) -> None:
    assert is_allowed(reference, LIST)


def test_a_path_may_be_as_long_as_a_node_takes() -> None:
    """The registry is not counted, and what a short name leaves out is."""
    assert parse_image("registry.example.com/" + "a" * 255 + ":1") is not None
    assert parse_image("registry.example.com/" + "a" * 256 + ":1") is None
    assert parse_image("a" * 247) is not None
    assert parse_image("a" * 248) is None


@pytest.mark.parametrize("trick", REFUSED)
def test_an_image_may_not_run_by(trick: str) -> None:
    assert not is_allowed(REFUSED[trick], LIST)


def test_an_empty_list_allows_nothing_and_a_star_every_image_that_is_one() -> None:
    assert not is_allowed("registry.example.com/agents/one", ())
    assert is_allowed("anything/goes:1", ("*",))
    assert not is_allowed("not an image", ("*",))


@pytest.mark.parametrize("host", ["localhost/", "localhost:5000/", "registry.example.com/"])
def test_a_whole_registry_can_be_allowed(host: str) -> None:
    assert is_allowed(f"{host}a/b:1", (check_prefix(host),))


def test_a_registrys_host_is_the_same_in_capitals() -> None:
    assert is_allowed("Registry.Example.COM/agents/one", LIST)


def test_short_names_mean_docker_hub_as_they_do_on_the_node() -> None:
    assert parse_image("nginx") == parse_image("docker.io/library/nginx:latest") == parse_image("docker.io/nginx")


@pytest.mark.parametrize("prefix", [*LIST, "*", "localhost/"])
def test_a_place_can_stand_in_the_list(prefix: str) -> None:
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize(
    "prefix",
    ["", "/", "acme/", "registry.example.com", "https://registry.example.com/", "registry.example.com/a:1",
     "registry.example.com//", "registry.example.com/A/", "*/", "*.example.com/", "registry.example.com/a/*"],
)  # fmt: skip
def test_what_is_no_place_is_refused_with_what_to_write(prefix: str) -> None:
    with pytest.raises(ValueError, match="for all below it"):
        check_prefix(prefix)
