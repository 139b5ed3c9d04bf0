"""OpenAPI documents: which operations become tools, with which arguments, and what no document can do to a reader."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agentos_spec import OpenApiSpec, SpecError
from agentos_spec.operations import LARGEST, Operation, choose, read_document

SHOP = read_document((Path(__file__).parents[3] / "examples" / "shop-api" / "openapi.yaml").read_bytes())
PATH = "spec.agents[0].tools[0]"


def api(**given: Any) -> OpenApiSpec:
    return OpenApiSpec("shop", "https://shop.example.com", path=PATH, **given)


def document(operation: dict[str, Any], path: str = "/things", **more: Any) -> dict[str, Any]:
    """One operation called `do`."""
    return {"openapi": "3.0.3", "paths": {path: {"post": {"operationId": "do", **operation}}}, **more}


def read(operation: dict[str, Any], path: str = "/things", **more: Any) -> Operation:
    (found,) = choose(api(), document(operation, path, **more))
    return found


def body(schema: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


def parameter(**given: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "x", "in": "query", "schema": {"type": "string"}} | given]}


def refused(document: Any, **given: Any) -> str:
    with pytest.raises(SpecError) as caught:
        choose(api(**given), document)
    return caught.value.message


def test_an_operation_becomes_one_tool_with_all_that_can_be_said_to_it() -> None:
    (refund,) = choose(api(include_operations=("refund",)), SHOP)
    assert (refund.method, refund.path, refund.description) == ("POST", "/orders/{order}/refunds", "Pay money back.")
    assert refund.schema == {
        "type": "object",
        "properties": {
            "order": {"type": "string", "description": "Number of the order."},
            "body": {
                "type": "object",
                "required": ["amount"],
                "properties": {
                    "amount": {"type": "number", "minimum": 0, "description": "In euros."},
                    "reason": {"type": "string"},
                },
            },
        },
        "required": ["order", "body"],
        "additionalProperties": False,
    }


def test_operations_are_chosen_by_their_ids_in_the_documents_order() -> None:
    assert [each.id for each in choose(api(exclude_operations=("deleteOrder",)), SHOP)] == [
        "listOrders",
        "getOrder",
        "refund",
    ]


def test_an_operation_without_an_id_is_called_by_its_method_and_path() -> None:
    (found,) = choose(api(), {"openapi": "3.1.0", "paths": {"/a/{b}": {"get": parameter(name="b", **{"in": "path"})}}})
    assert found.id == "get_a_b"


def test_parameters_of_one_name_in_two_places_are_told_apart() -> None:
    path = {"name": "id", "in": "path", "schema": {}}
    query = {"name": "id", "in": "query", "schema": {"type": "integer"}}
    found = read({"parameters": [path, query]}, "/things/{id}")
    assert [(each.argument, each.name, each.place) for each in found.parameters] == [
        ("id", "id", "path"),
        ("id_query", "id", "query"),
    ]


def test_a_model_cannot_set_headers_that_are_not_its_own_to_set() -> None:
    names = ["Authorization", "Host", "Cookie", "Content-Length", "X-Trace"]
    found = read({"parameters": [{"name": name, "in": "header", "schema": {}} for name in names]})
    assert [each.name for each in found.parameters] == ["X-Trace"]


def test_words_of_version_3_0_are_those_of_json_schema() -> None:
    given = {"type": "integer", "nullable": True, "minimum": 1, "exclusiveMinimum": True, "example": 5, "x-note": "no"}
    made = read(parameter(schema=given)).schema["properties"]["x"]
    assert made == {"type": ["integer", "null"], "exclusiveMinimum": 1}


def test_a_schema_that_contains_itself_is_followed_once_around() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
    found = read(body({"$ref": "#/components/schemas/Node"}), components={"schemas": {"Node": node}})
    assert found.schema["properties"]["body"] == {"type": "object", "properties": {"next": {}}}


def deep(levels: int) -> dict[str, Any]:
    return {"type": "array", "items": deep(levels - 1)} if levels else {"type": "string"}


def bomb() -> dict[str, Any]:
    """Each schema refers ten times to the next."""
    names = [f"s{place}" for place in range(9)]
    pairs = pairwise(names)
    many = {name: {"allOf": [{"$ref": f"#/components/schemas/{after}"}] * 10} for name, after in pairs}
    return document(body({"$ref": "#/components/schemas/s0"}), components={"schemas": many | {"s8": {}}})


def circle() -> dict[str, Any]:
    """YAML can name a mapping inside of itself."""
    schema: dict[str, Any] = {"type": "array"}
    schema["items"] = schema
    return document(body(schema))


BAD_DOCUMENTS = {
    "of Swagger 2": ({"swagger": "2.0", "paths": {}}, "has no openapi: 3.x.y; convert"),
    "without operations": ({"openapi": "3.1.0", "info": {}}, "has no operation under paths"),
    "with an id twice": (
        {"openapi": "3.1.0", "paths": {f"/{n}": {"get": {"operationId": "a"}} for n in (1, 2)}},
        "has two operations with the id 'a'",
    ),
    "that refers to a file": (document(body({"$ref": "file:///etc/passwd"})), "outside of the document"),
    "that refers to a URL": (document(body({"$ref": "https://example.com/a.yaml#/A"})), "outside of the document"),
    "that refers to nothing": (document(body({"$ref": "#/components/schemas/A"})), "which is not there"),
    "of many references": (bomb(), "more than 2,000 parts or 24 levels"),
    "of many levels": (document(body(deep(40))), "more than 2,000 parts or 24 levels"),
    "that contains itself": (circle(), "more than 2,000 parts or 24 levels"),
    "of long words": (document(body({"enum": ["x" * 100] * 400})), "longer than 32,768 characters"),
    "of references in a circle": (
        document({"parameters": [{"$ref": "#/a"}]}, a={"$ref": "#/a"}),
        "its references lead from one to the next",
    ),
    "that leaves its base": (document({}, "/../admin"), "its path is none"),
    "with a host in a path": (document({}, "//evil.example.com/x?y"), "its path is none"),
    "with a hole in a path": (document({}, "/things/{id}"), "does not say what {id} in its path is"),
    "with an upload": (
        document({"requestBody": {"required": True, "content": {"multipart/form-data": {}}}}),
        "its body is multipart/form-data",
    ),
    "that needs a cookie": (document(parameter(required=True, **{"in": "cookie"})), "none of the path, the query"),
}


@pytest.mark.parametrize(("bad", "message"), BAD_DOCUMENTS.values(), ids=BAD_DOCUMENTS.keys())
def test_a_document_is_refused(bad: dict[str, Any], message: str) -> None:
    told = refused(bad)
    assert told.startswith(f"{PATH}.openapi.document: ")
    assert message in told


def test_what_is_not_used_of_a_document_may_have_any_fault() -> None:
    paths = {"/a": {"get": {"operationId": "good"}}, "/b": {"get": {"operationId": "bad", **body({"$ref": "file:x"})}}}
    (found,) = choose(api(exclude_operations=("bad",)), {"openapi": "3.1.0", "paths": paths})
    assert found.id == "good"


MISNAMED = {
    "to include": ({"include_operations": ("getOrders",)}, "openapi.includeOperations"),
    "to exclude": ({"exclude_operations": ("getOrders",)}, "openapi.excludeOperations"),
    "to confirm": ({"requires_confirmation": ("getOrders",)}, "requiresConfirmation"),
    "to approve": ({"requires_approval": ("getOrders",)}, "requiresApproval"),
}


@pytest.mark.parametrize(("given", "field"), MISNAMED.values(), ids=MISNAMED.keys())
def test_an_operation_that_is_not_there_is_told_with_the_nearest_one(given: dict[str, Any], field: str) -> None:
    told = refused(SHOP, **given)
    assert told == f"{PATH}.{field}: the document has no operation 'getOrders' (did you mean 'getOrder'?)"


def test_an_operation_that_waits_and_is_no_tool_is_refused() -> None:
    told = refused(SHOP, include_operations=("getOrder",), requires_approval=("refund",))
    assert told == f"{PATH}.requiresApproval: 'refund' is left out of the tools; leave it out here too"


def test_more_operations_than_a_model_takes_have_to_be_chosen_from() -> None:
    many = {f"/{number}": {"get": {"operationId": f"o{number}"}} for number in range(101)}
    assert "101 operations would be tools" in refused({"openapi": "3.1.0", "paths": many})


def test_ids_that_a_provider_would_see_as_one_are_refused() -> None:
    paths = {f"/{n}": {"get": {"operationId": id_}} for n, id_ in enumerate(["a.b", "a/b"])}
    assert "'a.b' and 'a/b' would both be the tool 'a_b'" in refused({"openapi": "3.1.0", "paths": paths})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{" + b" " * LARGEST, "is larger than 1,048,576 bytes"),
        (b"[" * 100_000, "is neither JSON nor YAML"),
        (b"a: [", "is neither JSON nor YAML"),
        (b"!!python/object:os.system {}", "is neither JSON nor YAML"),
        (b"[]", "is no OpenAPI document"),
    ],
    ids=["large", "deep", "broken", "with a Python tag", "a list"],
)
def test_a_text_that_is_no_document_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_document(text)


def test_a_document_is_read_from_json_as_well() -> None:
    assert read_document(json.dumps(SHOP).encode()) == SHOP
