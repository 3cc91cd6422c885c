"""The abstract tests of OGC API - Features, Parts 1, 2, 3 and 5, one function a requirement.

Part 4 is held by test_editing.py. Each test names the requirement that it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from service.catalogue.crs import CRS84, OFFERED
from service.catalogue.published import COLLECTIONS
from service.db.engine import Database
from service.households.models import Assignment
from service.settings import Settings
from service.teams.models import Post

NAMES = list(COLLECTIONS)
#: Collections whose features all lie in the box (0, 0, 0.0201, 0.01), with their number.
COUNTS = {"grids": 3, "households": 10, "divisions": 3, "members": 2, "facilities": 1}
#: Before the first of the moments at which the town's posts and assignments begin.
FIRST_MOMENT = datetime(2026, 1, 1, 6, 30, 15, 250_000, tzinfo=UTC)
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"


@pytest.fixture(scope="module")
def api(reader: TestClient) -> dict[str, Any]:
    document: dict[str, Any] = reader.get("/api").json()
    return document


def links(document: dict[str, Any], relation: str) -> list[dict[str, Any]]:
    return [each for each in document["links"] if each["rel"] == relation]


def parameters(api: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    listed = api["paths"][f"/collections/{name}/items"]["get"]["parameters"]
    found = [
        api["components"]["parameters"][each["$ref"].rsplit("/", 1)[1]] if "$ref" in each else each
        for each in listed
    ]
    return {each["name"]: each for each in found}


def pages(client: TestClient, address: str) -> Iterator[dict[str, Any]]:
    following: str | None = address
    while following:
        response = client.get(following)
        assert response.status_code == 200
        document = response.json()
        yield document
        following = next((each["href"] for each in links(document, "next")), None)


# Part 1: core


def test_core_root(reader: TestClient) -> None:
    """/req/core/root-op, /req/core/root-success"""
    document = reader.get("/").json()
    for relation in ("service-desc", "service-doc", "conformance", "data"):
        assert links(document, relation), relation
    assert links(document, "service-desc")[0]["type"] == OPENAPI
    assert links(document, "data")[0]["type"] == "application/json"


def test_core_api_definition(reader: TestClient) -> None:
    """/req/core/api-definition-op, /req/core/api-definition-success"""
    for relation in ("service-desc", "service-doc"):
        (link,) = links(reader.get("/").json(), relation)
        response = reader.get(link["href"])
        assert response.status_code == 200
        assert response.headers["content-type"].replace(" ", "").startswith(link["type"])


def test_core_conformance(reader: TestClient) -> None:
    """/req/core/conformance-op, /req/core/conformance-success"""
    classes = reader.get("/conformance").json()["conformsTo"]
    assert len(set(classes)) == len(classes)
    for name in ("core", "oas30", "html", "geojson"):
        assert f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}" in classes
    for part, name in ((2, "crs"), (3, "filter"), (3, "features-filter"), (3, "queryables")):
        assert f"http://www.opengis.net/spec/ogcapi-features-{part}/1.0/conf/{name}" in classes
    for name in (
        "cql2-text",
        "cql2-json",
        "basic-cql2",
        "advanced-comparison-operators",
        "case-insensitive-comparison",
        "basic-spatial-functions",
        "spatial-functions",
        "temporal-functions",
        "array-functions",
        "property-property",
    ):
        assert f"http://www.opengis.net/spec/cql2/1.0/conf/{name}" in classes
    for part, name in ((4, "create-replace-delete"), (4, "update"), (5, "schemas")):
        assert f"http://www.opengis.net/spec/ogcapi-features-{part}/1.0/conf/{name}" in classes


def test_core_collections(reader: TestClient) -> None:
    """/req/core/fc-md-op to /req/core/fc-md-extent-multi, /req/core/sfc-md-success"""
    document = reader.get("/collections").json()
    assert {each["type"] for each in links(document, "self")} == {"application/json"}
    assert {each["type"] for each in links(document, "alternate")} == {"text/html"}
    for each in document["collections"]:
        items = links(each, "items")
        assert {link["type"] for link in items} == {"application/geo+json", "text/html"}
        assert all(link["rel"] and link["type"] for link in each["links"])
        (box,) = each["extent"]["spatial"]["bbox"]
        assert box[0] <= box[2]
        assert box[1] <= box[3]
        alone = reader.get(f"/collections/{each['id']}").json()
        for member in ("id", "title", "description", "extent", "crs", "storageCrs", "itemType"):
            assert alone[member] == each[member]
    assert reader.get("/collections/nothing").status_code == 404


@pytest.mark.parametrize("name", NAMES)
def test_core_parameter_definitions(api: dict[str, Any], name: str) -> None:
    """/req/core/fc-limit-definition, fc-bbox-definition, fc-time-definition"""
    found = parameters(api, name)
    limit, bbox, time = found["limit"], found["bbox"], found["datetime"]
    for each in (limit, bbox, time):
        assert (each["in"], each["required"], each["style"]) == ("query", False, "form")
        assert each["explode"] is False
    assert limit["schema"]["type"] == "integer"
    assert {"minimum", "maximum", "default"} <= set(limit["schema"])
    assert bbox["schema"]["type"] == "array"
    assert (bbox["schema"]["minItems"], bbox["schema"]["maxItems"]) == (4, 6)
    assert bbox["schema"]["items"] == {"type": "number"}
    assert time["schema"] == {"type": "string"}


@pytest.mark.parametrize("name", NAMES)
def test_core_items(reader: TestClient, name: str) -> None:
    """/req/core/fc-op to /req/core/fc-numberReturned, /req/geojson/content"""
    response = reader.get(f"/collections/{name}/items")
    assert response.headers["content-type"] == "application/geo+json"
    document = response.json()
    assert document["type"] == "FeatureCollection"
    assert links(document, "self")[0]["type"] == "application/geo+json"
    assert links(document, "alternate")[0]["type"] == "text/html"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["timeStamp"])
    assert document["numberReturned"] == len(document["features"])
    total = sum(each["numberReturned"] for each in pages(reader, f"{response.url}?limit=2"))
    assert total == document["numberMatched"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limit", [1, 2, 10])
def test_core_limit(reader: TestClient, name: str, limit: int) -> None:
    """/req/core/fc-limit-response-1"""
    for page in pages(reader, f"/collections/{name}/items?limit={limit}"):
        assert page["numberReturned"] <= limit


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(
    ("bbox", "all_of_them"),
    [
        ("0,0,0.0201,0.01", True),
        ("-180,-90,180,90", True),
        ("-1,-0.5,1,0.5", True),
        ("0,0,-10,0.0201,0.01,10", True),
        ("177,65,-177,70", False),
        ("170,-1,0.0201,1", True),
        ("-180,85,180,90", False),
        ("-180,-90,180,-85", False),
    ],
)
def test_core_bbox(reader: TestClient, name: str, bbox: str, all_of_them: bool) -> None:
    """/req/core/fc-bbox-response: also over the antimeridian, at the poles, on the equator"""
    document = reader.get(f"/collections/{name}/items?bbox={bbox}").json()
    found = document["numberMatched"]
    if not all_of_them:
        assert found == 0
    elif bbox.startswith(("0,", "-1,", "170,")):
        assert found >= COUNTS[name]
    else:
        everything = reader.get(f"/collections/{name}/items").json()["features"]
        assert found == sum(each["geometry"] is not None for each in everything)


@pytest.fixture(scope="module")
def spread(shared_town: Settings) -> None:
    """The moments of the town lie apart, so that a time can tell them from each other."""
    with Database(shared_town) as database, database.session() as session:
        session.execute(
            update(Assignment).values(
                at=FIRST_MOMENT + Assignment.household_id * timedelta(hours=18)
            )
        )
        session.execute(update(Post).values(valid_from=FIRST_MOMENT + timedelta(days=2)))


def asked_times(moments: list[datetime]) -> Iterator[tuple[str, datetime | None, datetime | None]]:
    """``datetime`` as it is asked, with the first and the last moment that it stands for."""
    instant = timedelta(microseconds=1)
    for moment in moments:
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        evening = day + timedelta(days=1) - instant
        text = stamp(moment)
        yield text, moment, moment
        yield stamp(moment - instant), moment - instant, moment - instant
        yield stamp(moment + instant), moment + instant, moment + instant
        yield f"{day:%Y-%m-%d}", day, evening
        for start in ("..", ""):
            yield f"{start}/{text}", None, moment
            yield f"{start}/{stamp(moment - instant)}", None, moment - instant
            yield f"{start}/{day:%Y-%m-%d}", None, evening
        for end in ("..", ""):
            yield f"{text}/{end}", moment, None
            yield f"{stamp(moment + instant)}/{end}", moment + instant, None
        yield f"{text}/{text}", moment, moment
        before = moment - 2 * instant
        yield f"{stamp(before)}/{stamp(before + instant)}", before, before + instant
        yield f"{text}/{stamp(moment + timedelta(days=1))}", moment, moment + timedelta(days=1)
        yield f"{day:%Y-%m-%d}/{day:%Y-%m-%d}", day, evening
    long_ago, far = datetime(1900, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    yield "1900-01-01/1900-01-01", long_ago, long_ago + timedelta(days=1) - instant
    yield "2999-01-01T01:00:00%2B01:00", far, far


def stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"


@pytest.mark.usefixtures("spread")
@pytest.mark.parametrize("name", [each for each in NAMES if COLLECTIONS[each].temporal])
def test_core_datetime(reader: TestClient, name: str) -> None:
    """/req/core/fc-time-response: instants and intervals, open and closed, their ends included"""
    temporal = COLLECTIONS[name].temporal
    assert temporal is not None
    begins, ends = temporal
    held: dict[int, tuple[datetime, datetime | None]] = {}
    for feature in reader.get(f"/collections/{name}/items").json()["features"]:
        began, ended = (feature["properties"].get(each) for each in (begins, ends))
        held[feature["id"]] = (
            datetime.fromisoformat(began),
            datetime.fromisoformat(ended) if ended else None,
        )
    assert held
    numbers = set()
    for asked, first, last in asked_times(sorted({began for began, _ in held.values()})):
        expected = {
            each
            for each, (began, ended) in held.items()
            if (last is None or began <= last)
            and (first is None or ended is None or ended >= first)
        }
        document = reader.get(f"/collections/{name}/items?datetime={asked}").json()
        assert {each["id"] for each in document["features"]} == expected, asked
        assert document["numberMatched"] == len(expected)
        numbers.add(len(expected))
    assert {0, len(held)} <= numbers


@pytest.mark.parametrize("name", [each for each in NAMES if not COLLECTIONS[each].temporal])
@pytest.mark.parametrize(
    "moment",
    [
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "../2999-01-01",
        "/1999-01-01",
        "2000-01-01T00:00:00Z/..",
    ],
)
def test_core_datetime_without_time(reader: TestClient, name: str, moment: str) -> None:
    """/req/core/fc-time-response: features without time always hold"""
    everything = reader.get(f"/collections/{name}/items").json()["numberMatched"]
    document = reader.get(f"/collections/{name}/items?datetime={moment}").json()
    assert document["numberMatched"] == everything


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "query",
    ["unknown=1", "limit=0", "limit=a", "bbox=1,2", "bbox=0,1,0,0", "datetime=x", "crs=x", "f=xml"],
)
def test_core_query_parameters(reader: TestClient, name: str, query: str) -> None:
    """/req/core/query-param-unknown, /req/core/query-param-invalid"""
    assert reader.get(f"/collections/{name}/items?{query}").status_code == 400


@pytest.mark.parametrize("name", NAMES)
def test_core_feature(reader: TestClient, name: str) -> None:
    """/req/core/f-op, f-success, f-links"""
    first = reader.get(f"/collections/{name}/items?limit=1").json()["features"][0]
    response = reader.get(f"/collections/{name}/items/{first['id']}")
    assert response.headers["content-type"] == "application/geo+json"
    feature = response.json()
    assert feature["id"] == first["id"]
    assert links(feature, "self")[0]["type"] == "application/geo+json"
    assert links(feature, "alternate")[0]["type"] == "text/html"
    assert links(feature, "collection")[0]["href"].endswith(f"/collections/{name}")
    assert reader.get(f"/collections/{name}/items/no-such-one").status_code == 404


@pytest.mark.parametrize("name", NAMES)
def test_html(reader: TestClient, name: str) -> None:
    """/req/html/definition, /req/html/content"""
    for path in ("", "/items"):
        page = reader.get(f"/collections/{name}{path}", headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert "</html>" in page.text


# Part 2: coordinate reference systems


@pytest.mark.parametrize("name", NAMES)
def test_crs_list_and_storage(reader: TestClient, name: str) -> None:
    """/req/crs/crs-uri, fc-md-crs-list, fc-md-storageCrs-valid-value"""
    document = reader.get(f"/collections/{name}").json()
    assert document["crs"][0] == CRS84
    assert f"{EPSG}4326" in document["crs"]
    assert document["storageCrs"] in document["crs"]
    assert reader.get("/collections").json()["crs"] == document["crs"]


def test_crs_parameter_definitions(api: dict[str, Any]) -> None:
    """/req/crs/fc-crs-definition, fc-bbox-crs-definition"""
    for name in ("crs", "bbox-crs"):
        found = parameters(api, "grids")[name]
        assert (found["style"], found["explode"], found["required"]) == ("form", False, False)
        assert found["schema"]["format"] == "uri"


@pytest.mark.parametrize("uri", [*OFFERED])
def test_crs_every_one_is_answered(reader: TestClient, uri: str) -> None:
    """/req/crs/fc-crs-action, ogc-crs-header"""
    for path in ("items?limit=3", "items/C1001?"):
        response = reader.get(f"/collections/grids/{path}&crs={uri}".replace("?&", "?"))
        if response.status_code == 400:  # a zone on the other side of the earth
            assert uri not in (CRS84, f"{EPSG}4326", f"{EPSG}3857", f"{EPSG}4490")
            assert "reach" in response.json()["detail"]
            continue
        assert response.headers["content-crs"] == f"<{uri}>"


def test_crs_default_is_longitude_first(reader: TestClient) -> None:
    """/req/crs/fc-crs-default-value"""
    plain = reader.get("/collections/grids/items")
    named = reader.get(f"/collections/grids/items?crs={CRS84}")
    assert plain.json()["features"] == named.json()["features"]
    assert plain.headers["content-crs"] == named.headers["content-crs"] == f"<{CRS84}>"


def test_crs_axes_are_swapped_for_4326(reader: TestClient) -> None:
    """/req/crs/fc-crs-action"""
    plain = reader.get("/collections/households/items?limit=5").json()["features"]
    swapped = reader.get(f"/collections/households/items?limit=5&crs={EPSG}4326").json()["features"]
    for one, other in zip(plain, swapped, strict=True):
        assert one["geometry"]["coordinates"] == other["geometry"]["coordinates"][::-1]


@pytest.mark.parametrize(
    ("crs", "bbox"),
    [
        (CRS84, "0,0,0.0052,0.01"),
        (f"{EPSG}4326", "0,0,0.01,0.0052"),
        (f"{EPSG}4490", "0,0,0.01,0.0052"),
        (f"{EPSG}3857", "0,-1,579,1114"),
    ],
)
def test_crs_of_bbox(reader: TestClient, crs: str, bbox: str) -> None:
    """/req/crs/fc-bbox-crs-action"""
    address = f"/collections/households/items?bbox={bbox}&bbox-crs={crs}"
    plain = reader.get("/collections/households/items?bbox=0,0,0.0052,0.01").json()
    assert reader.get(address).json()["features"] == plain["features"]


@pytest.mark.parametrize("parameter", ["crs", "bbox-crs", "filter-crs"])
@pytest.mark.parametrize("value", ["4326", "EPSG:4326", f"{EPSG}999999", ""])
def test_crs_invalid(reader: TestClient, parameter: str, value: str) -> None:
    """/req/crs/fc-crs-invalid-value, fc-bbox-crs-invalid-value"""
    response = reader.get(f"/collections/grids/items?bbox=0,0,1,1&{parameter}={value}")
    assert response.status_code == 400


# Part 3: filtering


@pytest.mark.parametrize("name", NAMES)
def test_queryables(reader: TestClient, api: dict[str, Any], name: str) -> None:
    """/req/queryables/get-queryables-op, queryables-query-parameters/parameters"""
    (link,) = links(
        reader.get(f"/collections/{name}").json(),
        "http://www.opengis.net/def/rel/ogc/1.0/queryables",
    )
    schema = reader.get(link["href"]).json()
    assert schema["$schema"].startswith("https://json-schema.org/draft/2020-12")
    assert schema["$id"] == link["href"]
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert set(COLLECTIONS[name].filters) <= set(parameters(api, name))
    assert set(COLLECTIONS[name].filters) <= set(schema["properties"])


@pytest.mark.parametrize("name", NAMES)
def test_filter_on_every_queryable(reader: TestClient, name: str) -> None:
    """/req/filter/filter-param, /req/features-filter/filter-param: every queryable can be named"""
    everything = reader.get(f"/collections/{name}/items").json()["numberMatched"]
    for queryable in reader.get(f"/collections/{name}/queryables").json()["properties"]:
        counts = []
        for condition in (f"{queryable} IS NULL", f"{queryable} IS NOT NULL"):
            response = reader.get(f"/collections/{name}/items", params={"filter": condition})
            assert response.status_code == 200, response.text
            counts.append(response.json()["numberMatched"])
        assert sum(counts) == everything


def test_filter_definitions(api: dict[str, Any]) -> None:
    """/req/filter/filter-lang-param, filter-crs-wgs84"""
    found = parameters(api, "grids")
    assert found["filter"]["schema"] == {"type": "string"}
    assert found["filter-lang"]["schema"]["enum"] == ["cql2-text", "cql2-json"]
    assert found["filter-lang"]["schema"]["default"] == "cql2-text"
    assert found["filter-crs"]["schema"]["default"] == CRS84


def test_filter_goes_with_the_other_parameters(reader: TestClient) -> None:
    """/req/filter/mixing-expressions: all that selects is joined by AND"""
    query = "filter=reference > 'H01'&bbox=0,0,0.01,1&grid_code=C1001"
    document = reader.get(f"/collections/households/items?{query}").json()
    assert [each["properties"]["reference"] for each in document["features"]] == ["H02"]


# Part 5: schemas


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["schema", "queryables", "sortables"])
def test_schemas(reader: TestClient, name: str, kind: str) -> None:
    """/req/schemas/schema-common, schema-response; /req/sortables, /req/core-roles-features"""
    (link,) = links(
        reader.get(f"/collections/{name}").json(), f"http://www.opengis.net/def/rel/ogc/1.0/{kind}"
    )
    response = reader.get(link["href"])
    assert response.headers["content-type"] == "application/schema+json"
    for each in response.json()["properties"].values():
        assert each["title"]
        assert "type" in each or each["format"].startswith("geometry-")
        assert each["x-ogc-propertySeq"] >= 1


@pytest.mark.parametrize("name", NAMES)
def test_every_sortable_sorts(reader: TestClient, name: str) -> None:
    """/req/sortables: features come in the order of each, both ways, and none is lost"""
    everything = reader.get(f"/collections/{name}/items").json()["numberMatched"]
    for sortable in reader.get(f"/collections/{name}/sortables").json()["properties"]:
        for sign in ("", "-"):
            address = f"/collections/{name}/items?limit=2&sortby={sign}{sortable}"
            found = [each for page in pages(reader, address) for each in page["features"]]
            assert len({each["id"] for each in found}) == everything
