"""`agentosctl validate` finds what the API server and the operator would refuse, and asks no cluster."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentosctl.cli import main
from agentosctl.documents import Document
from agentosctl.errors import CliError
from agentosctl.schema import schema_problems, schemas
from agentosctl.validate import NAME_RULES, RESERVED, validate

ROOT = Path(__file__).resolve().parents[3]
Check = Callable[..., list[str]]
WORKSPACE: dict[str, Any] = {
    "apiVersion": "agentos.hyvve.io/v1alpha1",
    "kind": "Workspace",
    "metadata": {"name": "acme"},
    "spec": {"displayName": "Acme Inc."},
}
SUPPORT: dict[str, Any] = {
    "apiVersion": "agentos.hyvve.io/v1alpha1",
    "kind": "AgentDeployment",
    "metadata": {"name": "support", "namespace": "ws-acme"},
    "spec": {"agents": [{"id": "support", "model": {"id": "openai-chat:gpt-4o-mini"}}]},
}


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """The lines for some documents in one file, without the file's name."""

    def check(*documents: Any, code: int = 1) -> list[str]:
        file = tmp_path / "all.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        assert main(["validate", "-f", str(file)]) == code
        return [line.removeprefix(f"{file}:") for line in capsys.readouterr().out.splitlines()]

    return check


def workspace(**spec: Any) -> dict[str, Any]:
    return WORKSPACE | {"spec": WORKSPACE["spec"] | spec}


def support(**spec: Any) -> dict[str, Any]:
    return SUPPORT | {"spec": SUPPORT["spec"] | spec}


def test_white_space_is_what_the_api_server_takes_for_it(check: Check) -> None:
    """A no-break space is a character like another to RE2, by which the API server reads patterns."""
    content = support(agents=[{"id": "support", "model": {"id": "openai-chat:gpt\u00a04"}}])
    assert check(content, code=0) == ["1: AgentDeployment ws-acme/support: ok"]


def test_every_example_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "-f", str(ROOT / "examples")]) == 0
    out = capsys.readouterr().out
    assert f"{ROOT}/examples/quickstart.yaml:12: Workspace acme: ok\n" in out
    assert "Secret ws-acme/openai: not checked, of another kind\n" in out


def test_every_document_is_told_with_its_line(check: Check) -> None:
    lines = check(WORKSPACE, support(replica=2), SUPPORT, workspace(suspended="yes"))
    assert lines == [
        "1: Workspace acme: ok",
        "8: AgentDeployment ws-acme/support: spec: unknown field 'replica' (did you mean 'replicas'?)",
        "20: AgentDeployment ws-acme/support: ok",
        "31: Workspace acme: spec.suspended: must be true or false, not text",
    ]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": (workspace(displayname="x"), "spec: unknown field 'displayname' (did you mean 'displayName'?)"),
    "a missing field": (WORKSPACE | {"spec": {}}, "spec: displayName is missing; add it"),
    "a field that is null": (workspace(displayName=None), "spec: displayName is missing; add it"),
    "no spec": ({k: v for k, v in WORKSPACE.items() if k != "spec"}, "document: spec is missing; add it"),
    "a spec that is text": (WORKSPACE | {"spec": "x"}, "spec: must be a mapping with displayName"),
    "text for a number": (workspace(quota={"pods": "many"}), "spec.quota.pods: must be a whole number, not text"),
    "a number for text": (workspace(displayName=7), "spec.displayName: must be a string, not a number; quote it"),
    "too large a number": (
        workspace(database={"connectionLimit": 5000}),
        "spec.database.connectionLimit: is 5000; it takes 5 to 1000",
    ),
    "an unknown word": (
        workspace(database={"isolation": "Databse"}),
        "spec.database.isolation: 'Databse' is none of Schema, Database (did you mean 'Database'?)",
    ),
    "too long a text": (workspace(displayName="x" * 121), "spec.displayName: has 121 characters; it takes 1 to 120"),
    "a list that is none": (workspace(members={}), "spec.members: must be a list, not a mapping"),
    "a form": (support(image="Not An Image"), "spec.image: does not have the form ^[a-z0-9][a-zA-Z0-9._:/@-]*$"),
    "a name twice": (
        support(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        "spec.env: two entries have the name 'A'; leave one out",
    ),
    "a list that holds no entries of its kind": (
        support(env=["ab"]),
        "spec.env[0]: must be a mapping with name, value, secretKeyRef, not text",
    ),
    "an entry twice": (
        workspace(controlPlane={"enabled": True, "allowedOrigins": ["https://a.example", "https://a.example"]}),
        "spec.controlPlane.allowedOrigins: has 'https://a.example' twice; leave one out",
    ),
    "a member twice": (
        workspace(members=[{"kind": "User", "name": "ann", "role": role} for role in ("Viewer", "Admin")]),
        "spec.members: two entries have the kind 'User' and the name 'ann'; leave one out",
    ),
    "too many pods": (support(replicas=101), "spec.replicas: is 101; it takes 0 to 100"),
    "a quantity that is none": (
        support(resources={"limits": {"cpu": True}}),
        "spec.resources.limits.cpu: must be a whole number or a string, not a boolean",
    ),
    "limits that say nothing": (support(limits={}), "spec.limits: has 0 fields; it takes at least 1"),
    "what only the schema knows of an agent": (
        support(agents=[{"id": "7", "model": {"id": "openai-chat:x"}}]),
        "spec.agents[0].id: does not have the form",
    ),
    "another version": (
        SUPPORT | {"apiVersion": "agentos.hyvve.io/v1"},
        "apiVersion: is 'agentos.hyvve.io/v1'; it must be agentos.hyvve.io/v1alpha1",
    ),
    "no version": ({k: v for k, v in SUPPORT.items() if k != "apiVersion"}, "apiVersion: is None; it must be"),
    "a misspelt kind": (SUPPORT | {"kind": "AgentDeploymnt"}, "kind: 'AgentDeploymnt' is no kind of"),
    "a long name": (WORKSPACE | {"metadata": {"name": "a" * 31}}, "metadata.name: must have at most 30 characters"),
    "a name with two hyphens": (SUPPORT | {"metadata": {"name": "a--b"}}, "metadata.name: must not contain '--'"),
    "a reserved name": (WORKSPACE | {"metadata": {"name": "kube-x"}}, "metadata.name: is reserved (default, public,"),
    "a name in capitals": (SUPPORT | {"metadata": {"name": "Support"}}, "metadata.name: 'Support' is not a lower-case"),
    "no name": (WORKSPACE | {"metadata": {}}, "metadata: name is missing; add it"),
}


@pytest.mark.parametrize(("document", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_the_api_server_would_refuse_is_refused(document: dict[str, Any], message: str, check: Check) -> None:
    (line,) = check(document)
    assert line.partition(": ")[2].partition(": ")[2].startswith(message)


def test_a_credential_in_the_wrong_place_is_not_told(check: Check) -> None:
    tracing = {"endpoint": "http://user:planted@collector.svc:4318"}
    (line,) = check(support(observability={"tracing": tracing}))
    assert "spec.observability.tracing.endpoint: does not have the form" in line
    assert "planted" not in line


def test_a_field_that_both_refuse_is_told_once(check: Check) -> None:
    (line,) = check(support(agents=[{"id": "support", "model": {"id": "openai-chat:x"}, "markdown": "yes"}]))
    assert line.endswith("spec.agents[0].markdown: must be true or false, not text")


def test_every_unknown_field_of_an_agent_is_told(check: Check) -> None:
    lines = check(support(agents=[{"id": "support", "model": {"id": "openai-chat:x"}, "markdwn": True, "rol": "x"}]))
    assert [line.rpartition("unknown field ")[2] for line in lines] == [
        "'markdwn' (did you mean 'markdown'?)",
        "'rol' (did you mean 'role'?)",
    ]


def test_a_name_cannot_move_the_cursor_of_who_reads_it(check: Check) -> None:
    (line,) = check(WORKSPACE | {"metadata": {"name": "acme\x1b[2J"}})
    assert "\x1b" not in line


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(SUPPORT)))
    assert main(["validate", "-f", "-"]) == 0
    assert capsys.readouterr().out == "<stdin>:1: AgentDeployment ws-acme/support: ok\n"


UNREADABLE = {
    "broken YAML": (b"a: [", "is not YAML: "),
    "a Python object": (b"!!python/object:os.system {}", "is not YAML: "),
    "another encoding": (b"name: \xff", "cannot be read: "),
    "lists without end": (b"[" * 5000, "is nested too deep to be read"),
    "a text": (b"hello", "must be a resource with apiVersion, kind, metadata and spec"),
}


@pytest.mark.parametrize(("content", "message"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_holds_no_resource_is_a_problem_of_that_file(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(yaml.safe_dump(SUPPORT))
    bad.write_bytes(content)
    assert main(["validate", "-f", str(bad), "-f", str(good)]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{bad}:1: {message}")
    assert second == f"{good}:1: AgentDeployment ws-acme/support: ok"


def test_a_file_without_anything_of_ours_is_not_taken_for_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret.yaml").write_text("{apiVersion: v1, kind: Secret, metadata: {name: x}}")
    assert main(["validate", "-f", str(tmp_path)]) == 1
    assert "there is no AgentDeployment and no Workspace to check" in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["absent.yaml", "."])
def test_an_argument_that_names_nothing_ends_with_two(
    argument: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["validate", "-f", str(tmp_path / argument)])
    assert ended.value.code == 2
    assert "there is no file" in (said := capsys.readouterr().err) or "has no file that ends in" in said


def test_the_rules_for_names_are_those_of_the_schemas() -> None:
    for name in ("workspaces", "agentdeployments"):
        crd = yaml.load((ROOT / "crds" / f"{name}.yaml").read_text(), Loader=yaml.CSafeLoader)
        rules = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-validations"]
        told = [f"metadata.name {text}" for _, text in NAME_RULES]
        told += [f"metadata.name is reserved ({', '.join(RESERVED)}, kube-*)"] if name == "workspaces" else []
        assert [rule["message"] for rule in rules] == told


def test_every_keyword_of_the_schemas_is_one_that_is_checked() -> None:
    known = {"type", "properties", "required", "items", "additionalProperties", "enum", "pattern", "minimum", "maximum"}
    known |= {f"{bound}{of}" for bound in ("min", "max") for of in ("Length", "Items", "Properties")}
    known |= {
        f"x-kubernetes-{name}" for name in ("preserve-unknown-fields", "int-or-string", "list-type", "list-map-keys")
    }

    def used(schema: Any) -> set[str]:
        inner = [*schema.get("properties", {}).values(), *(schema[k] for k in ("items",) if k in schema)]
        more = [schema["additionalProperties"]] if "additionalProperties" in schema else []
        return set(schema).union(*(used(each) for each in (*inner, *more)))

    assert set().union(*(used(schema) for schema in schemas().values())) <= known


def test_a_map_of_free_names_is_checked_in_its_values() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 3}}
    assert [str(problem) for problem in schema_problems({"a": "long", "b": "ok"}, schema)] == [
        "a: has 4 characters; it takes 0 to 3"
    ]


JUNK: list[Any] = [None, True, -1, 0.5, "", "x" * 300, [], [None], [[1]], {}, {"a": None}, {7: 7}, {"name": ["x"]}]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping and list of a document with each of its keys."""
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(child, dict | list):
            yield from places(child)


@pytest.mark.parametrize("example", ["newsroom", "mcp", "support", "quickstart"])
def test_whatever_stands_in_a_field_the_answer_is_a_sentence(example: str) -> None:
    for content in yaml.safe_load_all((ROOT / "examples" / f"{example}.yaml").read_text()):
        for parent, key in list(places(content)):
            kept = parent[key]
            for junk in JUNK:
                parent[key] = junk
                with contextlib.suppress(CliError):
                    validate([Document("x.yaml:1", content)])
            parent[key] = kept
