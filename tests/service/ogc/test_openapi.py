"""The API document: OpenAPI 3.0, whole, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate

from service.catalogue.published import COLLECTIONS
from service.ogc.openapi import to_version_3_0

METHODS = {"get", "put", "post", "delete", "head", "options", "patch"}
#: They bring points or an area to ask about, and change nothing.
READ_BY_POST = {"/locate", "/within"}
#: What others asked for is for those who may write.
READ_BY_WRITERS = {("/jobs", "get")}
#: What the framework would tell with 422 is told with 400; a drawing may hold nothing but faults.
TELLS_422 = {"Take in a plan drawn by hand"}
QUERIES = {
    "/locate": "?lon=0.001&lat=0.001",
    "/nearest": "?lon=0.001&lat=0.001",
    "/within": "?lon=0.001&lat=0.001&radius_m=100",
    "/catchment": "?facility=F1",
    **{
        f"/map/{{dataset_id}}/{layer}": "?bbox=-0.1,-0.1,0.1,0.1&zoom=18"
        for layer in ("grids", "households", "members", "facilities", "communities", "backdrop")
    },
}
TYPES = {"array", "boolean", "integer", "number", "object", "string"}
#: What JSON Schema knows and the Schema Object of OpenAPI 3.0 does not.
NOT_IN_3_0 = {"const", "examples", "prefixItems", "$defs", "if", "then", "patternProperties"}


@pytest.fixture(scope="module")
def document(reader: TestClient) -> dict[str, Any]:
    response = reader.get("/api")
    assert response.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    content: dict[str, Any] = response.json()
    return content


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        assert set(item) <= METHODS
        for method, operation in item.items():
            yield path, method, operation


def schemas(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    roots = list(document["components"]["schemas"].values())
    roots += [node["schema"] for node in walk(document) if isinstance(node.get("schema"), dict)]
    for root in roots:
        for node in walk(root):
            if "type" in node and isinstance(node["type"], str | list):
                yield node


def test_it_is_version_3_0(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.0.")
    assert set(document) <= {"openapi", "info", "servers", "paths", "components", "tags"}
    assert document["info"]["title"]
    assert document["info"]["version"]
    for schema in schemas(document):
        assert isinstance(schema["type"], str)
        if schema["type"] not in TYPES:  # a property called "type"
            continue
        assert not NOT_IN_3_0 & set(schema), schema
        for bound in ("exclusiveMinimum", "exclusiveMaximum"):
            assert isinstance(schema.get(bound, True), bool)
        if schema["type"] == "array":
            assert "items" in schema
    assert not any(node.get("type") == "null" for node in walk(document))


def test_every_reference_resolves(document: dict[str, Any]) -> None:
    references = [node for node in walk(document) if "$ref" in node]
    assert references
    for node in references:
        assert set(node) == {"$ref"}
        assert resolve(document, node)


def test_operations_are_complete(document: dict[str, Any]) -> None:
    identifiers = []
    for path, _, operation in operations(document):
        identifiers.append(operation["operationId"])
        assert operation["summary"]
        assert any(status.startswith("2") for status in operation["responses"])
        assert ("422" in operation["responses"]) is (operation["summary"] in TELLS_422)
        for response in operation["responses"].values():
            assert resolve(document, response)["description"]
        declared = [resolve(document, each) for each in operation.get("parameters", [])]
        assert {each["name"] for each in declared if each["in"] == "path"} == set(
            re.findall(r"{(\w+)}", path)
        )
        keys = [(each["in"], each["name"]) for each in declared]
        assert len(set(keys)) == len(keys)
        for each in declared:
            assert each["schema"]
            assert each.get("required") is True or each["in"] in ("query", "header")
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("name", list(COLLECTIONS))
def test_every_collection_has_its_parameters(document: dict[str, Any], name: str) -> None:
    operation = document["paths"][f"/collections/{name}/items"]["get"]
    parameters = {
        each["name"]: each for each in (resolve(document, node) for node in operation["parameters"])
    }
    assert set(parameters) == {
        "f",
        "bbox",
        "datetime",
        "limit",
        "offset",
        "token",
        "bbox-crs",
        "crs",
        "filter",
        "filter-lang",
        "filter-crs",
        "sortby",
        *COLLECTIONS[name].filters,
    }
    bbox = parameters["bbox"]
    assert (bbox["style"], bbox["explode"], bbox["required"]) == ("form", False, False)
    assert bbox["schema"]["type"] == "array"
    assert (bbox["schema"]["minItems"], bbox["schema"]["maxItems"]) == (4, 6)
    assert bbox["schema"]["items"]["type"] == "number"
    limit = parameters["limit"]["schema"]
    assert limit == {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100}
    assert parameters["datetime"]["schema"] == {"type": "string"}


def test_every_route_is_described(document: dict[str, Any], reader: TestClient) -> None:
    for path in (
        "/",
        "/conformance",
        "/api",
        "/collections",
        "/health",
        "/locate",
        "/nearest",
        "/grids/{code}",
        "/grids/{code}/posts",
        "/posts/{post_id}",
        "/households/{household}/assignment",
        "/docs",
        "/map",
        "/exports/grids.{suffix}",
        "/plans",
        "/plans/{plan_id}/activate",
    ):
        assert path in document["paths"]
    writes = {
        (path, method)
        for path, method, operation in operations(document)
        if "security" in operation
    }
    assert (
        writes
        == {
            (path, method)
            for path, method, _ in operations(document)
            if method not in ("get", "head") and path not in READ_BY_POST
        }
        | READ_BY_WRITERS
    )
    assert ("/collections/grids/items/{featureId}", "put") in writes
    assert ("/collections/coverage/items", "post") not in writes


def test_everything_has_an_example(document: dict[str, Any]) -> None:
    """Every parameter, body, header and answer shows what it may look like."""
    for path, method, operation in operations(document):
        for node in operation.get("parameters", []):
            parameter = resolve(document, node)
            assert "example" in parameter, (path, parameter["name"])
        for status, told in operation["responses"].items():
            response = resolve(document, told)
            bodies = [*response.get("content", {}).values(), *response.get("headers", {}).values()]
            assert all("example" in body for body in bodies), (path, method, status)
        for body in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in body or "example" in body["schema"], (path, method)


def test_the_official_validator_finds_nothing(document: dict[str, Any]) -> None:
    validate(document)


def test_answers_are_as_described(document: dict[str, Any], reader: TestClient) -> None:
    values = {
        "featureId": {"members": "1", "facilities": "1", "posts": "1", "households": "1"}
        | {"assignments": "1", "divisions": "C1", "vacancies": "C1002:leader"}
        | {"grids": "C1001", "coverage": "C1001"},
    }
    for path, method, operation in operations(document):
        if method != "get" or "{job_id}" in path:  # jobs have tests of their own
            continue
        name = path.split("/")[2] if path.startswith("/collections/") else ""
        address = (
            path.replace("{featureId}", values["featureId"].get(name, ""))
            .replace("{code}", "C1001")
            .replace("{household}", "H01")
            .replace("{plan_id}", "1")
            .replace("{other_id}", "1")
            .replace("{suffix}", "geojson")
            .replace("{dataset_id}", "1")
            .replace("{collection}", "grids")
            .replace("{tileMatrixSet}", "WebMercatorQuad")
            .replace("{tileMatrix}/{tileRow}/{tileCol}", "14/8191/8192")
        )
        address = address.replace("/coverage/C1001", "/coverage/C1")
        response = reader.get(address + QUERIES.get(path, ""))
        assert response.status_code == 200, address
        described = operation["responses"]["200"]["content"]
        told = response.headers["content-type"]
        assert any(told.startswith(media_type.split(";")[0]) for media_type in described), address


def test_translation_to_3_0() -> None:
    assert to_version_3_0(
        {
            "anyOf": [{"type": "string", "format": "date"}, {"type": "null"}],
            "title": "At",
            "default": None,
        }
    ) == {"type": "string", "format": "date", "title": "At", "nullable": True}
    null = {"type": "object", "nullable": True, "enum": [None]}
    assert to_version_3_0({"anyOf": [{"$ref": "#/x"}, {"type": "null"}]}) == {
        "anyOf": [{"$ref": "#/x"}, null]
    }
    assert to_version_3_0({"const": "a", "examples": ["a"]}) == {"enum": ["a"], "example": "a"}
    assert to_version_3_0({"type": "number", "exclusiveMinimum": 0}) == {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
    }
    three = {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}
    assert to_version_3_0(three) == {"anyOf": [*three["anyOf"][:2], null]}
    validator = OAS30Validator(to_version_3_0(three))
    assert [validator.is_valid(each) for each in (None, "a", 1, {})] == [True, True, True, False]
