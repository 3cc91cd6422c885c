"""OGC API - Features over HTTP: documents, links, paging, selection, representations."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings

COLLECTIONS = (
    "divisions",
    "grids",
    "households",
    "members",
    "facilities",
    "posts",
    "assignments",
    "vacancies",
    "coverage",
)
COUNTS = {
    "divisions": 3,
    "grids": 3,
    "households": 11,
    "members": 3,
    "facilities": 1,
    "posts": 1,
    "assignments": 11,
    "vacancies": 5,
    "coverage": 3,
}
SERVICE_DESC = "application/vnd.oai.openapi+json;version=3.0"


def links(document: dict[str, Any], relation: str) -> list[dict[str, Any]]:
    return [each for each in document["links"] if each["rel"] == relation]


def pages(client: TestClient, address: str) -> list[dict[str, Any]]:
    """Every page from an address on, by the next links."""
    found = []
    following: str | None = address
    while following is not None:
        response = client.get(following)
        assert response.status_code == 200, response.text
        found.append(response.json())
        following = next((each["href"] for each in links(found[-1], "next")), None)
        assert len(found) < 100
    return found


def test_landing_page_leads_everywhere(reader: TestClient) -> None:
    document = reader.get("/").json()
    for relation in ("self", "alternate", "service-desc", "service-doc", "conformance", "data"):
        (link,) = links(document, relation)
        response = reader.get(link["href"], headers={"Accept": "*/*"})
        assert response.status_code == 200
        assert response.headers["content-type"].split(", ")[0].startswith(link["type"])
    assert links(document, "service-desc")[0]["type"] == SERVICE_DESC


def test_conformance_names_core_geojson_html_and_openapi(reader: TestClient) -> None:
    names = {each.rsplit("/", 1)[1] for each in reader.get("/conformance").json()["conformsTo"]}
    assert names >= {"core", "geojson", "html", "oas30"}


def test_collections_are_listed_as_they_are_told_alone(reader: TestClient) -> None:
    listed = reader.get("/collections").json()["collections"]
    assert [each["id"] for each in listed] == list(COLLECTIONS)
    for each in listed:
        alone = reader.get(f"/collections/{each['id']}").json()
        for member in ("id", "title", "description", "extent", "itemType", "crs"):
            assert alone[member] == each[member]
        items = [link for link in each["links"] if link["rel"] == "items"]
        assert items[0]["type"] == "application/geo+json"


def test_extent_holds_every_feature(reader: TestClient) -> None:
    extent = reader.get("/collections/households").json()["extent"]["spatial"]["bbox"][0]
    assert extent == pytest.approx([0.0003, 0.004, 0.0202, 0.004])


@pytest.mark.parametrize("name", COLLECTIONS)
def test_items_are_complete_and_linked(reader: TestClient, name: str) -> None:
    response = reader.get(f"/collections/{name}/items")
    assert response.headers["content-type"] == "application/geo+json"
    assert response.headers["content-crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    document = response.json()
    assert document["type"] == "FeatureCollection"
    assert document["numberMatched"] == document["numberReturned"] == COUNTS[name]
    assert document["timeStamp"].endswith("Z")
    (alternate,) = links(document, "alternate")
    assert alternate["type"] == "text/html"
    assert links(document, "collection")
    assert not links(document, "next")
    for feature in document["features"]:
        single = reader.get(f"/collections/{name}/items/{feature['id']}").json()
        assert {member: single[member] for member in feature} == feature
        assert links(single, "self")[0]["href"].endswith(f"/items/{feature['id']}")
        assert links(single, "collection")


@pytest.mark.parametrize("name", COLLECTIONS)
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_pages_hold_every_feature_once_in_order(reader: TestClient, name: str, limit: int) -> None:
    whole = reader.get(f"/collections/{name}/items").json()
    parts = pages(reader, f"/collections/{name}/items?limit={limit}")
    assert [each["id"] for part in parts for each in part["features"]] == [
        each["id"] for each in whole["features"]
    ]
    assert sum(part["numberReturned"] for part in parts) == COUNTS[name]
    assert {part["numberMatched"] for part in parts} == {COUNTS[name]}
    assert all(part["numberReturned"] == limit for part in parts[:-1])


def test_offset_pages_like_tokens(reader: TestClient) -> None:
    by_token = pages(reader, "/collections/households/items?limit=4")
    for number, part in enumerate(by_token):
        by_offset = reader.get(f"/collections/households/items?limit=4&offset={4 * number}").json()
        assert by_offset["features"] == part["features"]
    beyond = reader.get("/collections/households/items?offset=1000").json()
    assert beyond["features"] == []
    assert beyond["numberMatched"] == 11


def test_next_link_keeps_the_other_parameters(reader: TestClient) -> None:
    query = "bbox=0,0,0.01,0.01&limit=2&method=covers&f=json"
    first = reader.get(f"/collections/households/items?{query}").json()
    (following,) = links(first, "next")
    kept = parse_qs(urlsplit(following["href"]).query)
    assert kept.pop("token")
    assert kept == {
        "bbox": ["0,0,0.01,0.01"],
        "limit": ["2"],
        "method": ["covers"],
        "f": ["json"],
    }
    assert following["type"] == "application/geo+json"


def test_next_link_of_an_offset_page_goes_on_behind_it(reader: TestClient) -> None:
    first = reader.get("/collections/households/items?limit=3&offset=3").json()
    (following,) = links(first, "next")
    assert "offset" not in following["href"]
    second = reader.get(following["href"]).json()
    assert [each["id"] for each in second["features"]] == [7, 8, 9]


def test_limit_beyond_the_maximum_is_clamped(reader: TestClient) -> None:
    assert reader.get("/collections/households/items?limit=999999").json()["numberReturned"] == 11


@pytest.mark.parametrize(
    ("query", "references"),
    [
        ("bbox=0,0,0.005,0.01", ["H00", "H01", "H02"]),
        ("bbox=0,0,-5,0.005,0.01,5", ["H00", "H01", "H02"]),
        ("bbox=0.0003,0.004,0.0003,0.004", ["H00"]),
        ("bbox=179,-1,0.001,1", ["H00"]),
        ("bbox=0.02,-1,-179,1", ["H10"]),
        ("bbox=-999,-999,999,999", [f"H{number:02}" for number in range(11)]),
        ("bbox=-180,85,180,90", []),
        ("bbox=200,0,300,1", []),
        ("bbox=177,65,-177,70", []),
        ("grid_code=C1002", ["H03", "H04"]),
        ("grid_code=C1002&bbox=0,0,0.007,1", ["H03"]),
        ("method=exception", ["H10"]),
        ("households=1&reference=H05", ["H05"]),
        ("households=2", []),
        ("reference=", []),
        ("datetime=1990-01-01", [f"H{number:02}" for number in range(11)]),
    ],
)
def test_selection_of_households(reader: TestClient, query: str, references: list[str]) -> None:
    document = reader.get(f"/collections/households/items?{query}").json()
    assert [each["properties"]["reference"] for each in document["features"]] == references
    assert document["numberMatched"] == len(references)


def test_filter_on_roles_asks_for_membership(reader: TestClient) -> None:
    found = reader.get("/collections/members/items?roles=police").json()["features"]
    assert [each["properties"]["reference"] for each in found] == ["M1", "M2"]
    found = reader.get("/collections/members/items?roles=doctor").json()["features"]
    assert [each["geometry"] for each in found] == [None]


@pytest.mark.parametrize(
    ("period", "count"),
    [
        ("2000-01-01/2000-12-31", 0),
        ("2000-01-01T00:00:00Z/..", 11),
        ("/2000-01-01", 0),
        ("../..", 11),
        ("2999-01-01T00:00:00%2B08:00", 11),
    ],
)
def test_time_selects_assignments(reader: TestClient, period: str, count: int) -> None:
    document = reader.get(f"/collections/assignments/items?datetime={period}").json()
    assert document["numberMatched"] == count


def test_grids_tell_their_figures(reader: TestClient) -> None:
    feature = reader.get("/collections/grids/items/C1001").json()
    assert feature["properties"] == {
        "grid_code": "C1001",
        "community_code": "C1",
        "community_name": "Community <script>alert(1)</script>",
        "kind": "basic",
        "flag": None,
        "reason": None,
        "parts": 1,
        "records": 3,
        "households": 3,
        "target": 2,
        "posts_required": 2,
        "posts_filled": 1,
        "vacancies": 1,
        "dataset": "Town",
    }
    ring = feature["geometry"]["coordinates"][0]
    area = sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairwise(ring))
    assert area > 0, "the outer ring runs counter-clockwise (RFC 7946)"


def test_vacancies_give_their_reason(reader: TestClient) -> None:
    feature = reader.get("/collections/vacancies/items/C1002:leader").json()
    assert feature["properties"]["reason"] == "no leader is near"
    assert feature["properties"]["missing"] == 1


def test_only_published_columns_leave(reader: TestClient) -> None:
    feature = reader.get("/collections/households/items/1").json()
    assert set(feature["properties"]) == {
        "reference",
        "address",
        "building",
        "unit",
        "households",
        "community",
        "grid_code",
        "method",
        "dataset",
    }


@pytest.mark.parametrize(
    "address",
    [
        "/?x=1",
        "/conformance?f=pdf",
        "/api?x=1",
        "/collections?limit=1",
        "/collections/grids?bbox=0,0,1,1",
        "/collections/grids/items?unknown=1",
        "/collections/grids/items?limit=0",
        "/collections/grids/items?limit=-1",
        "/collections/grids/items?limit=ten",
        "/collections/grids/items?limit=",
        "/collections/grids/items?limit=1&limit=2",
        "/collections/grids/items?limit=99999999999999999999",
        "/collections/grids/items?offset=-1",
        "/collections/grids/items?bbox=1,2,3",
        "/collections/grids/items?bbox=1,2,3,4,5",
        "/collections/grids/items?bbox=1,2,3,4,5,6,7",
        "/collections/grids/items?bbox=0,1,1,0",
        "/collections/grids/items?bbox=a,b,c,d",
        "/collections/grids/items?bbox=nan,0,1,1",
        "/collections/grids/items?bbox=0,0,inf,1",
        "/collections/grids/items?bbox=",
        "/collections/grids/items?bbox=200,0,190,1",
        "/collections/grids/items?datetime=yesterday",
        "/collections/grids/items?datetime=2026-02-30",
        "/collections/grids/items?datetime=2027-01-01/2026-01-01",
        "/collections/grids/items?datetime=a/b/c",
        "/collections/grids/items?households=many",
        "/collections/grids/items?grid_code=%00",
        "/collections/grids/items?token=x",
        "/collections/grids/items?token=WzMsNF0",
        "/collections/vacancies/items?token=WzMsIkMxMDAxIl0",
        "/collections/households/items?token=WzMsIkMxMDAxIl0",
        "/collections/grids/items?token=WzMsIkMxMDAyIl0&offset=1",
        "/collections/grids/items/C1001?bbox=0,0,1,1",
    ],
)
def test_unknown_and_malformed_parameters_are_refused(reader: TestClient, address: str) -> None:
    response = reader.get(address)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == 400
    assert document["detail"]


@pytest.mark.parametrize(
    "address",
    [
        "/nothing",
        "/collections/nothing",
        "/collections/nothing/items",
        "/collections/grids/items/nothing",
        "/collections/households/items/abc",
        "/collections/households/items/999999999999999999999999",
        "/collections/households/items/-1",
        "/collections/vacancies/items/C1001",
        "/collections/vacancies/items/C1001:cook",
        "/collections/divisions/items/%00",
        "/static/nothing.css",
        "/static/vendor/nothing.js",
        "/static/vendor/../gridward.css/..",
    ],
)
def test_what_is_not_there_is_a_problem_of_404(reader: TestClient, address: str) -> None:
    response = reader.get(address)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["title"] == "Not Found"


def test_wrong_method_is_a_problem_of_405(reader: TestClient) -> None:
    response = reader.post("/collections/grids/items", json={})
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert "GET" in response.headers["allow"]


def test_head_answers_like_get(reader: TestClient) -> None:
    for address in ("/", "/collections", "/collections/grids/items"):
        assert reader.head(address).status_code == 200


@pytest.mark.parametrize(
    ("query", "accept", "media_type"),
    [
        ("", None, "application/json"),
        ("", "*/*", "application/json"),
        ("", "application/geo+json, application/json", "application/json"),
        ("", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("", "text/html;q=0.5, application/json;q=0.9", "application/json"),
        ("?f=json", "text/html", "application/json"),
        ("?f=html", "application/json", "text/html"),
    ],
)
def test_representation(
    reader: TestClient, query: str, accept: str | None, media_type: str
) -> None:
    response = reader.get("/collections" + query, headers={"Accept": accept or ""})
    assert response.headers["content-type"].startswith(media_type)
    assert "Accept" in response.headers["vary"]


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/conformance",
        "/collections",
        "/collections/grids",
        "/collections/grids/items",
        "/collections/grids/items/C1001",
        "/collections/households/items",
        "/collections/members/items/1",
        "/collections/divisions/items/C1",
    ],
)
def test_pages_show_names_as_text_and_call_no_other_host(reader: TestClient, address: str) -> None:
    response = reader.get(address, params={"f": "html"})
    assert response.status_code == 200
    assert "<h1>" in response.text
    assert "<script" not in response.text
    external = [
        part.split('"', 1)[0]
        for attribute in ('src="', 'href="')
        for part in response.text.split(attribute)[1:]
    ]
    assert all(each.startswith(("http://127.0.0.1:8000/", "#")) for each in external)


def test_empty_fields_of_the_filter_form_do_not_count(reader: TestClient) -> None:
    address = "/collections/grids/items?f=html&grid_code=&kind=&bbox=&households=2"
    response = reader.get(address)
    assert response.status_code == 200
    assert "C1002" in response.text
    assert ">C1001<" not in response.text
    # in JSON an empty text is a value
    assert reader.get("/collections/grids/items?grid_code=").json()["numberMatched"] == 0


def test_empty_database_is_served(settings: Settings) -> None:
    with TestClient(create_app(settings)) as client:
        assert client.get("/collections/grids/items").json()["numberMatched"] == 0
        assert "extent" not in client.get("/collections/grids").json()
        assert client.get("/collections/grids/items?f=html").status_code == 200
        located = client.get("/locate?lon=1&lat=1").json()
        assert located["grid"] is None
        assert located["nearest"] is None
