"""From what a model says to the request of an API: everything in its place, and nothing out of it."""

from __future__ import annotations

from typing import Any

import pytest

from agentos_runtime.agents.api_requests import ApiRequest, build_request
from agentos_spec import OpenApiSpec
from agentos_spec.operations import Operation, choose


def operation(*parameters: dict[str, Any], path: str = "/things", **more: Any) -> Operation:
    post = {"operationId": "do", "parameters": [*parameters], **more}
    document = {"openapi": "3.1.0", "paths": {path: {"post": post}}}
    (found,) = choose(OpenApiSpec("shop", "https://shop.example.com"), document)
    return found


def parameter(name: str, place: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": {}, **more}


IN_PATH = operation(parameter("id", "path"), parameter("part", "path"), path="/things/{id}/{part}")


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("a/b", "/things/a%2Fb/x"),
        ("../admin", "/things/..%2Fadmin/x"),
        ("%2e%2e", "/things/%252e%252e/x"),
        ("a?b=c#d", "/things/a%3Fb%3Dc%23d/x"),
        ("{part}", "/things/%7Bpart%7D/x"),
        ("ö \n", "/things/%C3%B6%20%0A/x"),
        ("@evil.example.com", "/things/%40evil.example.com/x"),
        (7, "/things/7/x"),
        ([1, "b,c"], "/things/1,b,c/x"),
    ],
)
def test_a_value_in_a_path_stays_one_segment_of_it(value: Any, target: str) -> None:
    assert build_request(IN_PATH, {"id": value, "part": "x"}).target == target


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_that_would_lead_to_another_path_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"must not be empty, '.' or '..'"):
        build_request(IN_PATH, {"id": value, "part": "x"})


@pytest.mark.parametrize(
    ("given", "value", "query"),
    [
        ({}, ["a", "b"], "x=a&x=b"),
        ({"explode": False}, ["a", "b"], "x=a%2Cb"),
        ({"style": "pipeDelimited"}, ["a", "b"], "x=a%7Cb"),
        ({"style": "deepObject"}, {"from": 1, "to": 2}, "x%5Bfrom%5D=1&x%5Bto%5D=2"),
        ({}, {"from": 1, "to": 2}, "from=1&to=2"),
        ({"explode": False}, {"from": 1}, "x=from%2C1"),
        ({}, True, "x=true"),
        ({}, "a&y=b", "x=a%26y%3Db"),
        ({}, {"in": {"deep": [1]}}, "in=%7B%22deep%22%3A%20%5B1%5D%7D"),
    ],
)
def test_a_query_has_the_style_that_the_document_says(given: dict[str, Any], value: Any, query: str) -> None:
    assert build_request(operation(parameter("x", **given)), {"x": value}).target == f"/things?{query}"


def test_what_is_not_said_is_not_sent() -> None:
    assert build_request(operation(parameter("x")), {"x": None}) == ApiRequest("POST", "/things")


def test_a_header_is_one_line() -> None:
    found = operation(parameter("X-Trace", "header"))
    assert build_request(found, {"X-Trace": [1, 2]}).headers == {"X-Trace": "1,2"}
    with pytest.raises(ValueError, match="must be one line"):
        build_request(found, {"X-Trace": "a\r\nAuthorization: b"})


def body(type_: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {type_: {"schema": {"type": "object"}}}}}


@pytest.mark.parametrize(
    ("type_", "sent", "named"),
    [
        ("application/json", b'{"a": [1, "b"]}', "application/json"),
        ("application/merge-patch+json", b'{"a": [1, "b"]}', "application/merge-patch+json"),
        ("application/json; charset=utf-8", b'{"a": [1, "b"]}', "application/json"),
        ("*/*", b'{"a": [1, "b"]}', "application/json"),
        ("application/x-www-form-urlencoded", b"a=1&a=b", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_is_json_or_a_form(type_: str, sent: bytes, named: str) -> None:
    request = build_request(operation(**body(type_)), {"body": {"a": [1, "b"]}})
    assert (request.body, request.headers) == (sent, {"content-type": named})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "the argument 'body' is missing"),
        ({"body": {}, "quary": "a"}, r"there is no argument 'quary' \(did you mean 'query'\?\)"),
        ({"body": {}, "agent": "a"}, "there is no argument 'agent'; it takes query, body"),
    ],
)
def test_a_model_is_told_what_it_has_to_say_otherwise(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build_request(operation(parameter("query"), **body("application/json")), arguments)
