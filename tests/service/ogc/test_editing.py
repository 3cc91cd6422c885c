"""Features written over HTTP: versions, rules, and what else changes with them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import update

from service.app import create_app
from service.db.engine import Database
from service.places.models import Facility
from service.settings import Settings

GEOJSON = {"Content-Type": "application/geo+json"}
PATCH = {"Content-Type": "application/merge-patch+json"}
BASE_URL = "http://127.0.0.1:8000"


def box(west: float, east: float, north: float = 0.01) -> dict[str, Any]:
    ring = [[west, 0], [east, 0], [east, north], [west, north], [west, 0]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry: dict[str, Any] | None, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def point(x: float, y: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [x, y]}


def read(client: TestClient, path: str) -> tuple[dict[str, Any], dict[str, str]]:
    """A feature and the header that names its version."""
    response = client.get(f"/collections/{path}")
    assert response.status_code == 200, response.text
    return response.json(), {"If-Match": response.headers["etag"]}


def put(client: TestClient, path: str, document: Any, match: dict[str, str]) -> Any:
    return client.put(f"/collections/{path}", json=document, headers=GEOJSON | match)


def count(client: TestClient, name: str) -> int:
    matched: int = client.get(f"/collections/{name}/items?limit=1").json()["numberMatched"]
    return matched


def test_a_facility_comes_changes_and_goes(writer: TestClient) -> None:
    new = feature(point(0.015, 0.005), reference="F2", name="Clinic", kind="clinic")
    created = writer.post("/collections/facilities/items", json=new, headers=GEOJSON)
    assert created.status_code == 201, created.text
    address = created.headers["location"]
    assert address.endswith("/collections/facilities/items/2")
    told = writer.get(address)
    assert told.headers["etag"] == created.headers["etag"]
    assert told.json()["properties"] == {
        "reference": "F2",
        "name": "Clinic",
        "kind": "clinic",
        "dataset": "Town",
    }
    match = {"If-Match": told.headers["etag"]}
    changed = writer.patch(
        address, json={"properties": {"name": "Old clinic"}}, headers=PATCH | match
    )
    assert changed.status_code == 200
    assert changed.json()["properties"]["name"] == "Old clinic"
    assert changed.json()["properties"]["kind"] == "clinic"
    assert changed.json()["geometry"] == new["geometry"]
    assert changed.headers["etag"] != told.headers["etag"]
    late = writer.delete(address, headers=match)
    assert late.status_code == 412
    assert late.headers["content-type"] == "application/problem+json"
    gone = writer.delete(address, headers={"If-Match": changed.headers["etag"]})
    assert gone.status_code == 204
    assert writer.get(address).status_code == 404


def test_a_replaced_feature_loses_what_is_left_out(writer: TestClient) -> None:
    _, match = read(writer, "facilities/items/1")
    changed = put(writer, "facilities/items/1", feature(point(0.004, 0.006), reference="F1"), match)
    assert changed.json()["properties"]["name"] is None


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_version_has_to_be_named(reader: TestClient, method: str) -> None:
    body = {} if method == "delete" else {"json": feature(point(0, 0), reference="F1")}
    response = reader.request(method, "/collections/facilities/items/1", headers=GEOJSON, **body)
    assert response.status_code == 428
    assert "If-Match" in response.json()["detail"]
    weak = reader.get("/collections/facilities/items/1").headers["etag"]
    headers = GEOJSON | {"If-Match": f"W/{weak}"}
    response = reader.request(method, "/collections/facilities/items/1", headers=headers, **body)
    assert response.status_code == 412


def test_the_settings_let_the_version_be_left_out(town: Settings) -> None:
    trusting = town.model_copy(update={"require_if_match": False})
    with TestClient(create_app(trusting), base_url=BASE_URL) as client:
        new = feature(point(0.004, 0.006), reference="F1", name="Centre of the town")
        response = put(client, "facilities/items/1", new, {})
        assert response.status_code == 200
        assert put(client, "facilities/items/1", new, {"If-Match": '"old"'}).status_code == 412
        assert put(client, "facilities/items/1", new, {"If-Match": "*"}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "Point"},
        {"type": "Point", "coordinates": [0.001, 0.001]},
        {"type": "Feature"},
        {"type": "FeatureCollection", "properties": {"name": "Clinic"}},
    ],
)
def test_what_is_no_patch_of_a_feature_is_refused(reader: TestClient, body: dict[str, Any]) -> None:
    before, match = read(reader, "facilities/items/1")
    address = "/collections/facilities/items/1"
    refused = reader.patch(address, json=body, headers=PATCH | match)
    assert refused.status_code == 400, refused.text
    assert '{"properties": {...}}' in refused.json()["detail"]
    nothing = reader.patch(address, json={"properties": None}, headers=PATCH | match)
    assert nothing.status_code == 400
    assert read(reader, "facilities/items/1") == (before, match)


def test_texts_have_a_greatest_length(writer: TestClient) -> None:
    schema = writer.get("/collections/households/schema").json()["properties"]
    assert (schema["reference"]["maxLength"], schema["address"]["maxLength"]) == (200, 500)
    assert "maxLength" not in schema["grid_code"], "it is not written"
    roles = writer.get("/collections/members/schema").json()["properties"]["roles"]
    assert roles["items"]["maxLength"] == 200
    place = point(0.006, 0.004)
    for text in ("x" * 201, "社" * 100_000):
        new = feature(place, reference=text)
        refused = writer.post("/collections/households/items", json=new, headers=GEOJSON)
        assert refused.status_code == 400
        assert f"{len(text):,} characters; it may have 200" in refused.json()["detail"]
        assert refused.json()["parameter"] == "reference"
    new = feature(place, reference="社" * 200, address="x" * 500)
    created = writer.post("/collections/households/items", json=new, headers=GEOJSON)
    assert created.status_code == 201, created.text
    match = {"If-Match": created.headers["etag"]}
    patch = {"properties": {"address": "x" * 501}}
    refused = writer.patch(created.headers["location"], json=patch, headers=PATCH | match)
    assert refused.status_code == 400
    member = feature(place, reference="M9", roles=["x" * 201])
    refused = writer.post("/collections/members/items", json=member, headers=GEOJSON)
    assert refused.status_code == 400


def test_a_longer_text_that_was_loaded_may_be_sent_back(town: Settings) -> None:
    with Database(town) as database, database.session() as session:
        session.execute(update(Facility).values(name="x" * 300))
    with TestClient(create_app(town), base_url=BASE_URL) as client:
        document, match = read(client, "facilities/items/1")
        document["properties"]["kind"] = "clinic"
        changed = put(client, "facilities/items/1", document, match)
        assert changed.status_code == 200, changed.text
        assert changed.json()["properties"]["name"] == "x" * 300


def test_a_version_is_told_once(reader: TestClient) -> None:
    first = reader.get("/collections/grids/items/C1001")
    again = reader.get(
        "/collections/grids/items/C1001", headers={"If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    page = reader.get("/collections/grids/items/C1001?f=html")
    assert page.headers["etag"] != first.headers["etag"], "another representation"


def test_only_those_who_may_write_do(town: Settings) -> None:
    guarded = town.model_copy(update={"token": SecretStr("correct horse")})
    new = feature(point(0, 0), reference="F9")
    with TestClient(create_app(guarded), base_url="http://gridward.example") as client:
        assert client.post("/collections/facilities/items", json=new).status_code == 401
        for method in ("PUT", "PATCH", "DELETE"):
            response = client.request(method, "/collections/facilities/items/1", json=new)
            assert response.status_code == 401
        assert client.patch("/collections/grids/items", json=new).status_code == 401
        shown = GEOJSON | {"Authorization": "Bearer correct horse"}
        response = client.post("/collections/facilities/items", json=new, headers=shown)
        assert response.status_code == 201


@pytest.mark.parametrize("name", ["vacancies", "coverage"])
def test_what_is_worked_out_is_not_written(reader: TestClient, name: str) -> None:
    identifier = "C1002:leader" if name == "vacancies" else "C1001"
    items, item = f"/collections/{name}/items", f"/collections/{name}/items/{identifier}"
    assert reader.options(items).headers["allow"] == "GET, HEAD, OPTIONS"
    assert reader.options(item).headers["allow"] == "GET, HEAD, OPTIONS"
    for method, address in (("POST", items), ("PUT", item), ("PATCH", item), ("DELETE", item)):
        response = reader.request(method, address, json={}, headers=GEOJSON)
        assert response.status_code == 405
        assert response.headers["allow"] == "GET, HEAD, OPTIONS"
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["divisions", "households", "members", "facilities", "posts"])
def test_options_tell_what_can_be_written(reader: TestClient, name: str) -> None:
    assert "POST" in reader.options(f"/collections/{name}/items").headers["allow"]
    allowed = reader.options(f"/collections/{name}/items/1").headers["allow"]
    assert {"PUT", "PATCH", "DELETE"} <= set(allowed.split(", "))


BAD = feature(point(0.001, 0.004), reference="H99")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "object"),
        ({"type": "Point"}, "Feature"),
        (BAD | {"extra": 1}, "extra"),
        (BAD | {"properties": {"reference": "H99", "colour": "red"}}, "colour"),
        (BAD | {"properties": {}}, "reference"),
        (BAD | {"properties": {"reference": 5}}, "text"),
        (BAD | {"properties": {"reference": "a\x00b"}}, "character"),
        (BAD | {"properties": {"reference": "H99", "households": "many"}}, "whole number"),
        (BAD | {"properties": {"reference": "H99", "households": 1.5}}, "whole number"),
        (BAD | {"properties": {"reference": "H99", "dataset": "Nowhere"}}, "Nowhere"),
        (BAD | {"geometry": None}, "geometry"),
        (BAD | {"geometry": {"type": "Point"}}, "position"),
        (BAD | {"geometry": box(0, 1)}, "Point"),
        (BAD | {"geometry": point(181, 0)}, "180"),
        (BAD | {"geometry": {"type": "Point", "coordinates": ["a", 0]}}, "number"),
    ],
)
def test_a_malformed_feature_is_refused(reader: TestClient, document: Any, says: str) -> None:
    response = reader.post("/collections/households/items", json=document, headers=GEOJSON)
    assert response.status_code == 400, response.text
    assert says in response.json()["detail"]
    assert count(reader, "households") == 11


def test_a_body_of_another_kind_is_refused(reader: TestClient) -> None:
    for headers, status in (({"Content-Type": "text/csv"}, 415), (GEOJSON, 400)):
        response = reader.post("/collections/households/items", content=b"{", headers=headers)
        assert response.status_code == status
    empty = reader.post("/collections/households/items", content=b"", headers=GEOJSON)
    assert empty.status_code == 400


# households


def test_a_new_household_is_assigned_at_once(writer: TestClient) -> None:
    new = feature(point(0.006, 0.004), reference="N1", address="1 New Street", households=3)
    created = writer.post("/collections/households/items", json=new, headers=GEOJSON)
    assert created.status_code == 201, created.text
    assert created.json()["properties"]["grid_code"] == "C1002"
    assert created.json()["properties"]["method"] == "covers"
    assert read(writer, "grids/items/C1002")[0]["properties"]["households"] == 5
    again = writer.post("/collections/households/items", json=new, headers=GEOJSON)
    assert again.status_code == 409


def test_a_moved_household_is_assigned_again(writer: TestClient) -> None:
    household, match = read(writer, "households/items/1")
    assert household["properties"]["grid_code"] == "C1001"
    household["geometry"] = point(0.015, 0.004)
    moved = put(writer, "households/items/1", household, match)
    assert moved.status_code == 200, moved.text
    assert moved.json()["properties"]["grid_code"] == "C2001"
    state = writer.get("/households/H00/assignment").json()
    assert [each["grid_code"] for each in state["history"]] == ["C1001"]
    match = {"If-Match": moved.headers["etag"]}
    away = writer.patch(
        "/collections/households/items/1",
        json={"geometry": point(1, 1)},
        headers=PATCH | match,
    ).json()
    assert (away["properties"]["grid_code"], away["properties"]["method"]) == (None, "exception")


def test_a_household_that_stays_keeps_its_place(writer: TestClient) -> None:
    """What is sent back as it was read moves nobody, though fewer digits are published."""
    household, match = read(writer, "households/items/5")
    household["properties"]["address"] = "5 Short Street"
    changed = put(writer, "households/items/5", household, match)
    assert changed.json()["properties"]["address"] == "5 Short Street"
    assert writer.get("/households/H04/assignment").json()["history"] == []


def test_a_household_placed_by_hand_stays_there(writer: TestClient) -> None:
    by_hand = {"grid_code": "C1002", "reason": "asked for it"}
    assert writer.put("/households/H00/assignment", json=by_hand).status_code == 200
    household, match = read(writer, "households/items/1")
    household["geometry"] = point(0.001, 0.006)
    moved = put(writer, "households/items/1", household, match).json()["properties"]
    assert (moved["grid_code"], moved["method"]) == ("C1002", "manual")


def test_a_household_goes_with_its_history(writer: TestClient) -> None:
    _, match = read(writer, "households/items/1")
    assert writer.delete("/collections/households/items/1", headers=match).status_code == 204
    assert count(writer, "assignments") == 10
    assert writer.get("/households/H00/assignment").status_code == 404


def test_coordinates_come_in_another_system(writer: TestClient) -> None:
    new = feature({"type": "Point", "coordinates": [0.004, 0.006]}, reference="N2")
    north_first = GEOJSON | {"Content-Crs": "<http://www.opengis.net/def/crs/EPSG/0/4326>"}
    created = writer.post("/collections/households/items", json=new, headers=north_first)
    assert created.json()["geometry"]["coordinates"] == [0.006, 0.004]
    new["properties"]["reference"] = "N3"
    new["geometry"]["coordinates"] = [667.9169, 445.2780]
    metric = GEOJSON | {"Content-Crs": "<http://www.opengis.net/def/crs/EPSG/0/3857>"}
    created = writer.post("/collections/households/items", json=new, headers=metric)
    assert created.json()["geometry"]["coordinates"] == pytest.approx([0.006, 0.004], abs=1e-7)
    beyond = GEOJSON | {"Content-Crs": "<http://www.opengis.net/def/crs/EPSG/0/4534>"}
    new["geometry"]["coordinates"] = [1e9, 1e9]
    refused = writer.post("/collections/households/items", json=new, headers=beyond)
    assert refused.status_code == 400
    wrong = GEOJSON | {"Content-Crs": "EPSG:4326"}
    assert writer.post("/collections/households/items", json=new, headers=wrong).status_code == 400


# posts and members


def test_posts_are_begun_and_ended(writer: TestClient) -> None:
    new = feature(None, member="M2", grid_code="C1002", role="police")
    created = writer.post("/collections/posts/items", json=new, headers=GEOJSON)
    assert created.status_code == 201, created.text
    post = created.json()
    assert post["properties"]["fixed"] is True
    match = {"If-Match": created.headers["etag"]}
    path = f"posts/items/{post['id']}"
    loose = writer.patch(
        f"/collections/{path}", json={"properties": {"fixed": False}}, headers=PATCH | match
    )
    assert loose.json()["properties"]["fixed"] is False
    match = {"If-Match": loose.headers["etag"]}
    other = copy.deepcopy(post)
    other["properties"]["role"] = "leader"
    assert put(writer, path, other, match).status_code == 409
    assert writer.delete(f"/collections/{path}", headers=match).status_code == 204
    assert count(writer, "posts") == 1


@pytest.mark.parametrize(
    ("member", "grid", "role", "status", "says"),
    [
        ("M2", "C1002", "doctor", 409, "eligible"),
        ("M1", "C1001", "police", 409, "already"),
        ("M9", "C1002", "police", 400, "M9"),
        ("M2", "C9999", "police", 400, "C9999"),
        ("M2", "C1002", None, 400, "role"),
    ],
)
def test_a_post_that_breaks_a_rule_is_refused(
    reader: TestClient, member: str, grid: str, role: str | None, status: int, says: str
) -> None:
    new = feature(None, member=member, grid_code=grid, role=role)
    response = reader.post("/collections/posts/items", json=new, headers=GEOJSON)
    assert response.status_code == status
    assert says in response.json()["detail"]
    assert count(reader, "posts") == 1


def test_a_third_post_is_refused(writer: TestClient) -> None:
    second = feature(None, member="M1", grid_code="C1002", role="leader")
    third = feature(None, member="M1", grid_code="C2001", role="leader")
    assert writer.post("/collections/posts/items", json=second, headers=GEOJSON).is_success
    refused = writer.post("/collections/posts/items", json=third, headers=GEOJSON)
    assert refused.status_code == 409
    assert "at most 2" in refused.json()["detail"]


def test_members_keep_what_their_posts_need(writer: TestClient) -> None:
    member, match = read(writer, "members/items/1")
    for properties, says in (({"roles": ["leader"]}, "police"), ({"max_posts": 0}, "1 posts")):
        refused = writer.patch(
            "/collections/members/items/1",
            json={"properties": properties},
            headers=PATCH | match,
        )
        assert refused.status_code == 409
        assert says in refused.json()["detail"]
    assert writer.delete("/collections/members/items/1", headers=match).status_code == 409
    member["properties"] |= {"roles": ["police", "doctor"], "max_posts": 1}
    changed = put(writer, "members/items/1", member, match)
    assert changed.json()["properties"]["roles"] == ["police", "doctor"]
    _, match = read(writer, "members/items/3")
    assert writer.delete("/collections/members/items/3", headers=match).status_code == 204
    wrong = feature(None, reference="M4", roles=["No role"])
    assert writer.post("/collections/members/items", json=wrong, headers=GEOJSON).status_code == 409


# assignments


def test_the_ledger_is_written_by_hand(writer: TestClient) -> None:
    assignment, match = read(writer, "assignments/items/1")
    same = put(writer, "assignments/items/1", assignment, match)
    assert same.json()["properties"]["method"] == "covers", "written as it was"
    change = {"properties": {"grid_code": "C1002", "reason": "asked for it"}}
    match = {"If-Match": same.headers["etag"]}
    moved = writer.patch("/collections/assignments/items/1", json=change, headers=PATCH | match)
    assert moved.json()["properties"]["method"] == "manual"
    assert moved.json()["properties"]["grid_code"] == "C1002"
    match = {"If-Match": moved.headers["etag"]}
    refused = writer.patch(
        "/collections/assignments/items/1",
        json={"properties": {"grid_code": "C2001"}},
        headers=PATCH | match,
    )
    assert refused.status_code == 409
    back = writer.patch(
        "/collections/assignments/items/1",
        json={"properties": {"grid_code": None, "reason": None}},
        headers=PATCH | match,
    ).json()["properties"]
    assert (back["grid_code"], back["method"]) == ("C1001", "covers")
    _, match = read(writer, "assignments/items/1")
    assert writer.delete("/collections/assignments/items/1", headers=match).status_code == 204
    new = feature(None, household_id=1)
    again = writer.post("/collections/assignments/items", json=new, headers=GEOJSON)
    assert again.status_code == 201
    assert again.json()["properties"]["grid_code"] == "C1001"
    twice = writer.post("/collections/assignments/items", json=new, headers=GEOJSON)
    assert twice.status_code == 409
    unknown = feature(None, household_id=99)
    response = writer.post("/collections/assignments/items", json=unknown, headers=GEOJSON)
    assert response.status_code == 400


# grids and divisions


def grid_codes(client: TestClient) -> list[str]:
    document = client.get("/collections/grids/items").json()
    return [each["id"] for each in document["features"]]


def test_a_grid_written_as_it_was_stays_as_it_was(writer: TestClient) -> None:
    grid, match = read(writer, "grids/items/C1001")
    same = put(writer, "grids/items/C1001", grid, match)
    assert same.status_code == 200, same.text
    assert same.json()["id"] == "C1001"
    assert len(writer.get("/plans").json()) == 1


@pytest.mark.parametrize(
    ("geometry", "kinds"),
    [
        (box(0, 0.004), {"gap"}),
        (box(0, 0.006), {"overlap"}),
        (box(-0.001, 0.005), {"stray"}),
        (box(0, 0.005, 0.011), {"stray"}),
        (box(0.001, 0.006), {"gap", "overlap"}),
    ],
)
def test_a_grid_that_breaks_the_coverage_is_refused_with_its_faults(
    reader: TestClient, geometry: dict[str, Any], kinds: set[str]
) -> None:
    grid, match = read(reader, "grids/items/C1001")
    grid["geometry"] = geometry
    refused = put(reader, "grids/items/C1001", grid, match)
    assert refused.status_code == 409
    problem = refused.json()
    assert refused.headers["content-type"] == "application/problem+json"
    assert problem["faults"]["type"] == "FeatureCollection"
    assert {each["properties"]["kind"] for each in problem["faults"]["features"]} == kinds
    assert all(
        each["geometry"]["type"].endswith("Polygon") for each in problem["faults"]["features"]
    )
    assert grid_codes(reader) == ["C1001", "C1002", "C2001"]


def test_grids_are_not_added_on_top_or_taken_away_alone(reader: TestClient) -> None:
    on_top = feature(box(0, 0.005))
    refused = reader.post("/collections/grids/items", json=on_top, headers=GEOJSON)
    assert refused.status_code == 409
    assert {each["properties"]["kind"] for each in refused.json()["faults"]["features"]} == {
        "overlap"
    }
    _, match = read(reader, "grids/items/C1001")
    refused = reader.delete("/collections/grids/items/C1001", headers=match)
    assert refused.status_code == 409
    (gap,) = refused.json()["faults"]["features"]
    assert gap["properties"]["kind"] == "gap"
    nowhere = reader.post("/collections/grids/items", json=feature(box(5, 6)), headers=GEOJSON)
    assert nowhere.status_code == 400


def together(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def tags_of(client: TestClient, *codes: str) -> list[str]:
    return [read(client, f"grids/items/{code}")[1]["If-Match"] for code in codes]


def change(client: TestClient, changes: Any, *tags: str) -> Any:
    match = {"If-Match": ", ".join(tags)} if tags else {}
    return client.patch("/collections/grids/items", json=changes, headers=GEOJSON | match)


BORDER = together(
    feature(box(0, 0.004)) | {"id": "C1001"}, feature(box(0.004, 0.01)) | {"id": "C1002"}
)


def test_a_border_moves_when_both_grids_are_written(writer: TestClient) -> None:
    """Households are assigned again, posts go along, and the past stays answerable."""
    response = change(writer, BORDER, *tags_of(writer, "C1002", "C1001"))
    assert response.status_code == 200, response.text
    written = response.json()["features"]
    west, east = (each["id"] for each in written)
    assert [each["properties"]["records"] for each in written] == [2, 3]
    assert grid_codes(writer) == [west, east, "C2001"]
    assert writer.get("/households/H02/assignment").json()["grid_code"] == east
    team = writer.get(f"/grids/{west}").json()["team"]
    assert [each["member"] for each in team["police"]] == ["M1"]
    assert count(writer, "posts") == 1
    plans = writer.get("/plans").json()
    assert [each["state"] for each in plans] == ["active", "active"]


def test_grids_change_together_only_as_they_were_read(writer: TestClient) -> None:
    west, east = tags_of(writer, "C1001", "C1002")
    for tags in ((), (west,), ('""',)):
        missing = change(writer, BORDER, *tags)
        assert missing.status_code == 428, missing.text
        assert "all 2 features" in missing.json()["detail"]
    for tags in ((west, '"old"'), (west, f"W/{east}", '"old"'), (east, '"old"', '"older"')):
        stale = change(writer, BORDER, *tags)
        assert stale.status_code == 412, stale.text
        assert ("C1001" if tags[0] == east else "C1002") in stale.json()["detail"]
    assert len(writer.get("/plans").json()) == 1, "nothing was written"
    nowhere = change(writer, together(feature(box(0, 1)) | {"id": "C9"}), west)
    assert nowhere.status_code == 404
    twice = [("If-Match", west), ("If-Match", east), *GEOJSON.items()]
    written = writer.patch("/collections/grids/items", json=BORDER, headers=twice)
    assert written.status_code == 200, written.text
    late = change(writer, BORDER, west, east)
    assert late.status_code == 412
    assert "C1001, C1002" in late.json()["detail"]
    assert change(writer, BORDER, "*").status_code == 200
    assert len(writer.get("/plans").json()) == 2


def test_the_settings_let_the_versions_of_a_group_be_left_out(town: Settings) -> None:
    trusting = town.model_copy(update={"require_if_match": False})
    with TestClient(create_app(trusting), base_url=BASE_URL) as client:
        west, _ = tags_of(client, "C1001", "C1002")
        assert change(client, BORDER, west).status_code == 412, "a list names all or none"
        assert change(client, BORDER).status_code == 200


def test_new_grids_need_no_version(writer: TestClient) -> None:
    refused = change(writer, together(feature(box(0, 0.005))))
    assert refused.status_code == 409, "it lies on another one"


def test_grids_are_split_and_merged(writer: TestClient) -> None:
    split = together(feature(box(0, 0.002)) | {"id": "C1001"}, feature(box(0.002, 0.005)))
    response = change(writer, split, *tags_of(writer, "C1001"))
    assert response.status_code == 200, response.text
    halves = [each["id"] for each in response.json()["features"]]
    assert grid_codes(writer) == sorted([*halves, "C1002", "C2001"])
    merge = together(
        feature(box(0, 0.01)) | {"id": "C1002"}, *(feature(None) | {"id": code} for code in halves)
    )
    response = change(writer, merge, *tags_of(writer, "C1002", *halves))
    assert response.status_code == 200, response.text
    (whole,) = response.json()["features"]
    assert grid_codes(writer) == [whole["id"], "C2001"]
    assert whole["properties"]["records"] == 5


def test_a_grid_of_another_kind_is_another_grid(writer: TestClient) -> None:
    _, match = read(writer, "grids/items/C2001")
    changed = writer.patch(
        "/collections/grids/items/C2001",
        json={"properties": {"kind": "dedicated"}},
        headers=PATCH | match,
    )
    assert changed.status_code == 200, changed.text
    code = changed.json()["id"]
    assert changed.json()["properties"]["kind"] == "dedicated"
    assert changed.headers["content-location"].endswith(f"/items/{code}")
    # the household beside the grid joins it, as the rule has it
    assert changed.json()["properties"]["records"] == 6
    assert grid_codes(writer) == ["C1001", "C1002", code]
    back = put(
        writer,
        f"grids/items/{code}",
        feature(box(0.01, 0.02), kind="dedicated"),
        {"If-Match": changed.headers["etag"]},
    )
    assert back.json()["id"] == code, "written as it was"
    assert len(writer.get("/plans").json()) == 2


def test_a_community_keeps_the_land_of_its_grids(writer: TestClient) -> None:
    community, match = read(writer, "divisions/items/C2")
    community["geometry"] = {"type": "Polygon", "coordinates": box(0.01, 0.03)["coordinates"]}
    refused = put(writer, "divisions/items/C2", community, match)
    assert refused.status_code == 409
    assert {each["properties"]["kind"] for each in refused.json()["faults"]["features"]} == {"gap"}
    renamed = writer.patch(
        "/collections/divisions/items/C2",
        json={"properties": {"name": "East"}},
        headers=PATCH | match,
    )
    assert renamed.json()["properties"]["name"] == "East"
    assert read(writer, "divisions/items/C2")[0]["geometry"]["type"] == "MultiPolygon"


def test_divisions_come_and_go(writer: TestClient) -> None:
    new = feature(box(0.02, 0.03), code="C3", name="New", level="community", parent="S1")
    created = writer.post("/collections/divisions/items", json=new, headers=GEOJSON)
    assert created.status_code == 201, created.text
    assert writer.post("/collections/divisions/items", json=new, headers=GEOJSON).status_code == 409
    grid = writer.post("/collections/grids/items", json=feature(box(0.02, 0.03)), headers=GEOJSON)
    assert grid.status_code == 201, grid.text
    assert grid.json()["id"] == "C3001"
    located = writer.get("/locate?lon=0.025&lat=0.005").json()
    assert located["grid"]["code"] == "C3001"
    _, match = read(writer, "divisions/items/C3")
    in_use = writer.delete("/collections/divisions/items/C3", headers=match)
    assert in_use.status_code == 409
    for properties in ({"parent": "nowhere"}, {"level": "village"}, {"name": None}):
        wrong = copy.deepcopy(new)
        wrong["properties"] |= {"code": "C4"} | properties
        response = writer.post("/collections/divisions/items", json=wrong, headers=GEOJSON)
        assert response.status_code == 400


def test_an_invalid_polygon_is_refused(reader: TestClient) -> None:
    bow_tie = {
        "type": "Polygon",
        "coordinates": [[[0.02, 0], [0.03, 0.01], [0.03, 0], [0.02, 0.01], [0.02, 0]]],
    }
    new = feature(bow_tie, code="C9", name="Bow tie", level="community")
    response = reader.post("/collections/divisions/items", json=new, headers=GEOJSON)
    assert response.status_code == 409
    grid, match = read(reader, "grids/items/C1001")
    grid["geometry"] = bow_tie
    response = put(reader, "grids/items/C1001", grid, match)
    assert response.status_code == 409
    assert "invalid" in response.json()["detail"]
