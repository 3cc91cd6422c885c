"""OGC API - Features over HTTP: documents, links, paging, selection, representations."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

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
    ("query", "references"),
    [
        ("filter=grid_code='C1002'", ["H03", "H04"]),
        ("filter=grid_code='C1002' AND reference <> 'H03'", ["H04"]),
        ("filter=S_INTERSECTS(geometry,BBOX(0,0,0.005,0.01))", ["H00", "H01", "H02"]),
        ("filter=id IN (1,2)&bbox=0.001,0,1,1", ["H01"]),
        ("filter=grid_code IS NULL", ["H10"]),
        (
            'filter-lang=cql2-json&filter={"op":"=","args":[{"property":"reference"},"H05"]}',
            ["H05"],
        ),
        ("filter=CASEI(address) LIKE CASEI('5 LONG%25')", ["H05"]),
        (
            "filter=S_INTERSECTS(geometry,POINT(0.004 0.0003))"
            "&filter-crs=http://www.opengis.net/def/crs/EPSG/0/4326",
            ["H00"],
        ),
        ("sortby=-reference&limit=2", ["H10", "H09"]),
        ("sortby=-grid_code,reference&limit=3", ["H05", "H06", "H07"]),
        ("sortby=%2Bmethod,-id&grid_code=C1002", ["H04", "H03"]),
        ("bbox=0,0,0.01,0.005&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4326", 3),
        ("bbox=0,0,556.5,1113&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/3857", 3),
    ],
)
def test_filters_orders_and_boxes(
    reader: TestClient, query: str, references: list[str] | int
) -> None:
    response = reader.get(f"/collections/households/items?{query}")
    assert response.status_code == 200, response.text
    found = [each["properties"]["reference"] for each in response.json()["features"]]
    assert (len(found) if isinstance(references, int) else found) == references


@pytest.mark.parametrize(
    "order", ["-grid_code", "grid_code,-reference", "-method,grid_code", "+id", "community,-id"]
)
def test_pages_in_any_order_hold_every_feature_once(reader: TestClient, order: str) -> None:
    """Also where values are missing: they come last, whichever way."""
    address = f"/collections/households/items?sortby={order.replace('+', '%2B')}"
    whole = [each["id"] for each in reader.get(address).json()["features"]]
    assert len(set(whole)) == 11
    for limit in (1, 3):
        parts = pages(reader, f"{address}&limit={limit}")
        assert [each["id"] for part in parts for each in part["features"]] == whole


def test_orders_by_time_go_on_where_they_ended(reader: TestClient) -> None:
    address = "/collections/assignments/items?sortby=-at,household&limit=2"
    parts = pages(reader, address)
    assert sum(part["numberReturned"] for part in parts) == 11
    other = reader.get(links(parts[0], "next")[0]["href"].replace("-at,", "at,"))
    assert other.status_code == 400, "the token belongs to its order"


def test_large_numbers_are_counted_once_a_minute_or_left_out(
    reader: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.ogc.queries.COUNT_CEILING", 5)
    address = "/collections/households/items?limit=2"
    assert reader.get(address).json()["numberMatched"] == 11, "a whole collection"
    assert "numberMatched" not in reader.get(f"{address}&households=1").json()
    assert reader.get(f"{address}&grid_code=C1002").json()["numberMatched"] == 2
    last = reader.get(f"{address}&households=1&offset=10").json()
    assert last["numberMatched"] == 11, "the last page tells"


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ("OGC/1.3/CRS84", [0.0003, 0.004]),
        ("EPSG/0/4326", [0.004, 0.0003]),
        ("EPSG/0/4490", [0.004, 0.0003]),
        ("EPSG/0/3857", [33.3958, 445.2780]),
    ],
)
def test_coordinates_in_the_order_of_the_authority(
    reader: TestClient, crs: str, place: list[float]
) -> None:
    uri = f"http://www.opengis.net/def/crs/{crs}"
    for path in ("items?limit=1&", "items/1?"):
        response = reader.get(f"/collections/households/{path}crs={uri}")
        assert response.headers["content-crs"] == f"<{uri}>"
        document = response.json()
        feature = document["features"][0] if "features" in document else document
        assert feature["geometry"]["coordinates"] == pytest.approx(place, abs=1e-3)
        for following in links(document, "next"):
            assert f"crs={uri}" in following["href"]


def test_rings_run_counter_clockwise_in_any_order_of_axes(reader: TestClient) -> None:
    uri = "http://www.opengis.net/def/crs/EPSG/0/4326"
    ring = reader.get(f"/collections/grids/items/C1001?crs={uri}").json()["geometry"]["coordinates"]
    area = sum(ax * by - bx * ay for (ay, ax), (by, bx) in pairwise(ring[0]))
    assert area > 0


def test_schemas_tell_what_a_feature_is(reader: TestClient) -> None:
    for name in COLLECTIONS:
        document = reader.get(f"/collections/{name}").json()
        for kind in ("schema", "queryables", "sortables"):
            (link,) = links(document, f"http://www.opengis.net/def/rel/ogc/1.0/{kind}")
            assert link["type"] == "application/schema+json"
            response = reader.get(link["href"])
            assert response.headers["content-type"] == "application/schema+json"
            schema = response.json()
            Draft202012Validator.check_schema(schema)
            assert schema["$id"] == link["href"]
            page = reader.get(f"{link['href']}?f=html")
            assert all(each in page.text for each in schema["properties"])
        feature = reader.get(f"/collections/{name}/items?limit=1").json()["features"][0]
        schema = reader.get(f"/collections/{name}/schema").json()
        assert set(feature["properties"]) <= set(schema["properties"])
        roles = [each.get("x-ogc-role") for each in schema["properties"].values()]
        assert roles.count("primary-geometry") == 1
        assert roles.count("id") == (name != "vacancies")
    schema = reader.get("/collections/members/schema").json()
    assert schema["required"] == ["reference", "roles"]
    assert schema["properties"]["geometry"]["format"] == "geometry-point"
    assert "readOnly" not in schema["properties"]["roles"]
    assert "roles" not in reader.get("/collections/members/sortables").json()["properties"]
    grid = reader.get("/collections/grids/schema").json()["properties"]
    assert grid["vacancies"]["readOnly"] is True
    assert grid["kind"]["enum"] == ["basic", "dedicated", "micro"]


def test_functions_of_filters_are_listed(reader: TestClient) -> None:
    functions = {each["name"]: each for each in reader.get("/functions").json()["functions"]}
    assert functions["distance_m"]["returns"] == ["number"]
    assert "distance_m(geometry, geometry)" in reader.get("/functions?f=html").text


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
        "/collections/grids/items?token=WzMsIiIsNF0",
        "/collections/vacancies/items?token=WzMsIiIsIkMxMDAxIl0",
        "/collections/households/items?token=WzMsIiIsIkMxMDAxIl0",
        "/collections/grids/items?token=WzMsIiIsIkMxMDAyIl0&offset=1",
        "/collections/grids/items/C1001?bbox=0,0,1,1",
        "/collections/grids/items?crs=EPSG:4326",
        "/collections/grids/items?crs=http://www.opengis.net/def/crs/EPSG/0/1",
        "/collections/grids/items?bbox=0,0,1,1&bbox-crs=x",
        "/collections/grids/items?bbox=2,0,1,1&bbox-crs=http://www.opengis.net/def/crs/EPSG/0/3857",
        "/collections/grids/items?filter=pg_sleep(1)=1",
        "/collections/grids/items?filter=",
        "/collections/grids/items?filter=vacancies=1&filter-lang=sql",
        "/collections/grids/items?filter=vacancies=1&filter-crs=x",
        "/collections/grids/items?filter=vacancies=1&filter-lang=cql2-json",
        "/collections/grids/items?filter=vacancies^400>1e300",
        "/collections/grids/items?sortby=nothing",
        "/collections/grids/items?sortby=geometry",
        "/collections/members/items?sortby=roles",
        "/collections/grids/items/C1001?crs=x",
        "/collections/grids/schema?x=1",
        "/functions?x=1",
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
    response = reader.post("/collections/coverage/items", json={})
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
    assert "<script>" not in response.text
    assert response.text.count("<script") == response.text.count(
        '<script src="http://127.0.0.1:8000/static/'
    )
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
