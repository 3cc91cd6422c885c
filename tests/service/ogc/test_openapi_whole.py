"""The API document leaves nothing out: every parameter, header and answer is told and shown."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from openapi_schema_validator import OAS30Validator, oas30_format_checker
from starlette.routing import Mount

Document = dict[str, Any]
PROBLEM = "application/problem+json"
#: What stands for a text that nobody thought of.
HOLLOW: tuple[Any, ...] = ("", "text", "string")
#: Members whose values name types.
OF_TYPES = {"type", "returns"}
#: The shared path of what the document tells collection by collection.
BY_COLLECTION = ("/collections/{name}", "/exports/{collection}")


@pytest.fixture(scope="module")
def document(reader: TestClient) -> Document:
    told: Document = reader.get("/api").json()
    return told


def whole(document: Document, node: Any) -> Any:
    """A part of the document without references."""
    if isinstance(node, list):
        return [whole(document, each) for each in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return whole(document, found)
    return {name: whole(document, each) for name, each in node.items()}


def operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", whole(document, operation)


def hollow(value: Any) -> bool:
    if isinstance(value, dict):
        told = (each for name, each in value.items() if name not in OF_TYPES)
        return not value or hollow([*value]) or any(hollow(each) for each in told)
    if isinstance(value, list):
        return not value or any(hollow(each) for each in value)
    return value in HOLLOW


def unshown(holder: Document, where: str) -> Iterator[str]:
    """What is wrong with the example of a parameter, header or content."""
    schema = holder.get("schema")
    if not schema:
        yield f"{where}: no schema"
        return
    if "example" not in holder:
        yield f"{where}: no example"
        return
    if hollow(holder["example"]):
        yield f"{where}: a hollow example, {holder['example']}"
    validator = OAS30Validator(schema, format_checker=oas30_format_checker)
    for error in validator.iter_errors(holder["example"]):
        yield f"{where}: the example does not fit: {error.message}"


def unlike(example: Any, status: str, where: str) -> Iterator[str]:
    """What tells another status than the one that the problem stands under."""
    if not isinstance(example, dict) or example.get("status") != int(status):
        yield f"{where}: a problem of another status"
    elif example["title"] != HTTPStatus(int(status)).phrase:
        yield f"{where}: a problem of another title"


def faults(document: Document) -> list[str]:
    """Everything that is missing or wrong."""
    found: list[str] = []
    for where, operation in operations(document):
        if not operation.get("summary"):
            found.append(f"{where}: no summary")
        for each in operation.get("parameters", []):
            named = f"{where}: {each['name']}"
            if not each.get("description"):
                found.append(f"{named}: no description")
            found += unshown(each, named)
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            found += unshown(content, f"{where}: body as {media_type}")
        for status, response in operation["responses"].items():
            named = f"{where}: {status}"
            if not response.get("description"):
                found.append(f"{named}: no description")
            for name, header in response.get("headers", {}).items():
                if not header.get("description"):
                    found.append(f"{named}: {name}: no description")
                found += unshown(header, f"{named}: {name}")
            for media_type, content in response.get("content", {}).items():
                found += unshown(content, f"{named}: {media_type}")
                if media_type == PROBLEM:
                    found += unlike(content.get("example"), status, named)
                elif not status.startswith("2"):
                    found.append(f"{named}: {media_type} is no problem")
    return found


def test_nothing_is_left_out(document: Document) -> None:
    assert faults(document) == []


def _sabotaged(*path: str, remove: str = "", **changes: Any) -> Callable[[Document], None]:
    def act(document: Document) -> None:
        node: Any = document["paths"]
        for part in path:
            node = node[int(part) if isinstance(node, list) else part]
        node.update(changes)
        node.pop(remove, None)

    return act


GRID = ("/grids/{code}", "get")
ANSWER = (*GRID, "responses", "200", "content", "application/json")
PROBLEM_404 = (*GRID, "responses", "404", "content", PROBLEM)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_sabotaged(*GRID, remove="summary"), "no summary"),
        (_sabotaged(*GRID, "parameters", "0", remove="description"), "no description"),
        (_sabotaged(*GRID, "parameters", "0", remove="schema"), "no schema"),
        (_sabotaged(*GRID, "parameters", "0", remove="example"), "no example"),
        (_sabotaged(*GRID, "parameters", "0", example=7), "does not fit"),
        (_sabotaged(*ANSWER, remove="example"), "no example"),
        (_sabotaged(*ANSWER, schema={}), "no schema"),
        (_sabotaged(*ANSWER, example={}), "hollow"),
        (_sabotaged(*ANSWER, example={"code": "980101001001001"}), "does not fit"),
        (_sabotaged(*PROBLEM_404, "example", status=400), "another status"),
        (_sabotaged(*PROBLEM_404, "example", title="Bad Request"), "another title"),
    ],
)
def test_what_is_left_out_would_be_found(
    document: Document, act: Callable[[Document], None], said: str
) -> None:
    changed = copy.deepcopy(document)
    act(changed)
    found = faults(changed)
    assert any(said in each for each in found)
    assert all(each.startswith("GET /grids/{code}:") for each in found)


def test_every_route_is_in_the_document(document: Document, reader: TestClient) -> None:
    app: Any = reader.app
    routes = {
        (each.path_format, method)
        for each in iter_route_contexts(app.routes)
        if not isinstance(each.route, Mount)
        for method in each.methods or ()
        if method not in ("HEAD", "OPTIONS") and not str(each.path).startswith(BY_COLLECTION)
    }
    told = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    assert routes - told == set()


def test_answers_by_status(document: Document) -> None:
    """Where the service answers otherwise than with 200 and a problem, the document says so."""

    def answers(path: str, method: str) -> set[str]:
        return set(document["paths"][path][method]["responses"])

    tile = "/collections/{collection}/tiles/{tileMatrixSet}/{tileMatrix}/{tileRow}/{tileCol}"
    assert {"200", "204", "304", "400", "404"} <= answers(tile, "get")
    assert {"200", "304"} <= answers("/collections/grids/items/{featureId}", "get")
    assert {"200", "304"} <= answers("/map/live.js", "get")
    assert {"201", "422"} <= answers("/plans", "post")
    assert {"200", "204", "404"} <= answers("/jobs/{job_id}", "delete")
    assert {"200", "206", "404", "409", "416"} <= answers("/jobs/{job_id}/file", "get")
    assert {"200", "206", "404", "416"} <= answers("/exports/grids.{suffix}", "get")
    assert {"202", "401", "403", "404"} <= answers("/exports/grids.{suffix}", "post")


@pytest.mark.parametrize(
    ("path", "method", "status", "name"),
    [
        ("/collections/grids/items", "get", "200", "Content-Crs"),
        ("/collections/grids/items", "post", "201", "Location"),
        ("/collections/grids/items", "post", "201", "ETag"),
        ("/collections/grids/items/{featureId}", "get", "200", "ETag"),
        ("/collections/grids/items/{featureId}", "get", "304", "ETag"),
        ("/collections/grids/items/{featureId}", "put", "200", "Content-Location"),
        ("/exports/grids.{suffix}", "get", "200", "Content-Disposition"),
        ("/exports/grids.{suffix}", "get", "206", "Content-Range"),
        ("/exports/grids.{suffix}", "post", "202", "Location"),
        ("/grids/{code}/posts", "post", "201", "Location"),
        ("/jobs/{job_id}", "get", "200", "Cache-Control"),
        ("/jobs/{job_id}/file", "get", "200", "ETag"),
        ("/jobs/{job_id}/file", "get", "416", "Content-Range"),
        ("/map", "get", "200", "Cache-Control"),
        ("/plans", "post", "201", "Location"),
        ("/plans", "post", "401", "WWW-Authenticate"),
        ("/health", "get", "503", "Retry-After"),
    ],
)
def test_headers_are_told(
    document: Document, path: str, method: str, status: str, name: str
) -> None:
    response = whole(document, document["paths"][path][method]["responses"][status])
    assert name in response["headers"]


def test_exports_have_the_parameters_of_their_collection(document: Document) -> None:
    of_items = document["paths"]["/collections/posts/items"]["get"]["parameters"]
    for method in ("get", "post"):
        parameters = document["paths"]["/exports/posts.{suffix}"][method]["parameters"]
        named = {each["name"]: each for each in whole(document, parameters)}
        assert {"suffix", "bbox", "bbox-crs", "datetime", "filter", "filter-lang"} <= set(named)
        assert {"gpkg", "csv.gz"} <= set(named["suffix"]["schema"]["enum"])
        filters = [each for each in of_items if "$ref" not in each]
        assert [each for each in parameters if each in filters] == filters
        assert "fixed" in named
