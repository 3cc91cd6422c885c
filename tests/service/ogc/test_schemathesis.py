"""Whatever the API document allows, and much that it does not, is answered as it says."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.app import create_app
from service.catalogue.published import COLLECTIONS
from service.ogc.openapi import openapi_document
from service.ogc.parameters import Limits
from service.settings import Settings

BASE = "http://127.0.0.1:8000"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
#: What is there in the town, by the parameter of a path; made-up names find nothing.
THERE = {
    "code": "C1001",
    "collection": "grids",
    "dataset_id": 1,
    "household": "H01",
    "other_id": 1,
    "plan_id": 1,
    "post_id": 1,
    "tileCol": 0,
    "tileMatrix": "0",
    "tileMatrixSet": "WebMercatorQuad",
    "tileRow": 0,
}
FEATURES = {"divisions": "C1", "grids": "C1001", "coverage": "C1001", "vacancies": "C1002:leader"}
#: The names of the document's examples, as they are in the town.
IN_TOWN = {
    "Riverside": "Town",
    "980101001001": "C1",
    "980101001001001": "C1001",
    "980101001001002": "C1002",
    "M-4": "M1",
    17: 1,
}
#: In this order what is needed is still there.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _document() -> dict[str, Any]:
    app = create_app(Settings(database_url="postgresql://nowhere/none"))
    return openapi_document(
        app.routes, COLLECTIONS, base=BASE, limits=Limits(default=100, maximum=10_000)
    )


def _operations(document: dict[str, Any]) -> dict[str, Any]:
    """Every operation of the document, by its method and path."""
    schema = schemathesis.openapi.from_dict(document)
    return {
        f"{method.upper()} {path}": schema[path][method.upper()]
        for path, operations in document["paths"].items()
        for method in operations
    }


OPERATIONS = _operations(_document())
NAMES = sorted(OPERATIONS, key=lambda name: (METHODS.index(name.split()[0]), name))


def examples(operation: Any) -> int:
    """How often to ask: less where there is little to choose."""
    raw = operation.definition.raw
    return 10 if "requestBody" in raw or len(raw.get("parameters", ())) > 1 else 4


def in_town(value: Any) -> Any:
    """An example that speaks of what is there."""
    if isinstance(value, dict):
        return {name: in_town(each) for name, each in value.items()}
    if isinstance(value, list):
        return [in_town(each) for each in value]
    return IN_TOWN.get(value, value)


def aim(case: Any, client: TestClient) -> None:
    """Ask for what is there, in the version that it has, with a body that makes sense."""
    parts = case.path.split("/")
    known = {**THERE, "featureId": FEATURES.get(parts[2], "1")} if len(parts) > 2 else THERE
    if case.path.startswith("/coverage/"):
        known = {**known, "code": "C1"}
    if "job_id" in case.path_parameters:
        jobs = client.get("/jobs").json()["jobs"]
        known = {"job_id": jobs[0]["jobID"]} if jobs else {}
    for name in case.path_parameters:
        case.path_parameters[name] = known.get(name, case.path_parameters[name])
    if "featureId" in case.path_parameters and case.method in METHODS[1:]:
        case.headers["If-Match"] = "*"
    content = case.operation.definition.raw.get("requestBody", {}).get("content", {})
    if case.media_type in content:
        case.body = in_town(content[case.media_type].get("example", case.body))


def send(client: TestClient, case: Any) -> Any:
    """Send what was generated, as it was generated; a text that no address holds is passed over."""
    made = case.as_transport_kwargs(base_url=BASE)
    try:
        return client.request(
            made["method"],
            made["url"],
            params=made.get("params"),
            headers=dict(made.get("headers") or {}),
            json=made.get("json"),
            content=made.get("data"),
            cookies=None,
        )
    except (UnicodeError, ValueError):
        return None


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_foreseen(reader: TestClient, name: str) -> None:
    operation = OPERATIONS[name]
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @settings(
        max_examples=examples(operation),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, aimed=st.booleans())
    def check(case: Any, aimed: bool) -> None:
        if aimed:
            aim(case, reader)
        answer = send(reader, case)
        if answer is None:
            return
        if answer.status_code == 405:  # an address that leads elsewhere once it is filled in
            assert answer.headers["allow"]
            return
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            problem = answer.json()
            assert problem["status"] == answer.status_code
            assert problem["title"]

    check()


@pytest.mark.parametrize(
    "told",
    [
        {"content": {"application/json": {"schema": {"type": "array", "items": {}}}}},
        {"content": {"text/csv": {"schema": {"type": "string"}}}},
        {"headers": {"ETag": {"required": True, "schema": {"type": "string"}}}},
        None,
    ],
)
def test_an_answer_that_is_told_wrongly_would_be_found(
    reader: TestClient, told: dict[str, Any] | None
) -> None:
    document = _document()
    responses = document["paths"]["/health"]["get"]["responses"]
    good = responses.pop("200")
    if told is not None:
        responses["200"] = {**good, **told}
    operation = _operations(document)["GET /health"]
    case = operation.Case()
    with pytest.raises(FailureGroup):
        case.validate_response(send(reader, case), checks=CHECKS)
