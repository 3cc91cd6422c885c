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
EXAMPLES = 15
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


def _operations() -> dict[str, Any]:
    """Every operation of the document, by its method and path."""
    app = create_app(Settings(database_url="postgresql://nowhere/none"))
    document = openapi_document(
        app.routes, COLLECTIONS, base=BASE, limits=Limits(default=100, maximum=10_000)
    )
    schema = schemathesis.openapi.from_dict(document)
    return {
        f"{method.upper()} {path}": schema[path][method.upper()]
        for path, operations in document["paths"].items()
        for method in operations
    }


OPERATIONS = _operations()


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


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_answer_is_foreseen(reader: TestClient, name: str) -> None:
    operation = OPERATIONS[name]
    cases = st.one_of(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
    )

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def check(case: Any) -> None:
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
