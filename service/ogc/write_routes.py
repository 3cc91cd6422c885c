"""OGC API - Features Part 4: features created, replaced, updated and deleted.

What a written feature means is up to the editor of its collection (``app.state.editors``); here its
version is checked, its body read, and the answer written.
"""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy import func, select
from starlette.responses import Response

from geodata.errors import InputError
from service.catalogue.collection import Action, Collection
from service.catalogue.crs import DEFAULT_CRS, Crs, parse_crs
from service.catalogue.editing import Draft, Editor, GroupEditor
from service.db.base import SRID
from service.db.reader import running_in
from service.errors import NotFound
from service.ogc import documents
from service.ogc.bodies import check_media_type, read_draft
from service.ogc.context import Chosen
from service.ogc.links import GEOJSON, JSON, MERGE_PATCH, Site
from service.ogc.queries import explaining, get_feature
from service.ogc.versions import check_version, check_versions, entity_tag
from service.settings import Settings
from service.web.bodies import FeatureBody, read_object
from service.web.methods import options, refuse_method
from service.web.parameters import NO_PARAMETERS, reject_unknown
from service.web.session import DatabaseSession
from service.web.writers import WRITER

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

_METHODS: Final[dict[Action, str]] = {
    "create": "POST",
    "replace": "PUT",
    "update": "PATCH",
    "delete": "DELETE",
}
_ITEMS, _ITEM = "/collections/{name}/items", "/collections/{name}/items/{identifier}"


@router.options(_ITEMS)
def get_items_options(chosen: Chosen) -> Response:
    """Tell the methods of the items."""
    return options(_items_methods(chosen))


@router.options(_ITEM)
def get_item_options(chosen: Chosen, identifier: str) -> Response:
    """Tell the methods of a feature."""
    return options(_item_methods(chosen))


@router.post(_ITEMS, dependencies=[WRITER, NO_PARAMETERS])
def create_item(
    request: Request, chosen: Chosen, body: FeatureBody, session: DatabaseSession
) -> Response:
    """Add a feature."""
    editor = _editor(request, chosen, "create")
    check_media_type(request.headers.get("content-type"), GEOJSON, JSON)
    draft = _draft(session, request, chosen, body)
    identifier = editor.create(session, draft)
    return _written(request, session, chosen, identifier, status=201)


@router.patch(_ITEMS, dependencies=[WRITER, NO_PARAMETERS])
def change_items(
    request: Request, chosen: Chosen, body: FeatureBody, session: DatabaseSession
) -> Response:
    """Change several features at once: a feature collection of what is written.

    A feature with the id of one that is there takes its place; one without an id is added; one
    with an id and no geometry is taken away. ``If-Match`` lists the versions of those with an id.
    """
    if not chosen.in_groups:
        raise refuse_method(_items_methods(chosen))
    editor: GroupEditor = request.app.state.editors()[chosen.name]
    check_media_type(request.headers.get("content-type"), GEOJSON, JSON)
    document = read_object(body)
    features = document.get("features")
    if document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise InputError("The body is no GeoJSON feature collection.")
    if not features:
        raise InputError("The feature collection is empty.")
    current = _current_ones(request, session, chosen, features, editor)
    changes = [_change(session, request, chosen, each, current) for each in features]
    written = editor.change(session, changes)
    texts = [
        get_feature(running_in(session), collection=chosen, identifier=each) for each in written
    ]
    content = f'{{"type":"FeatureCollection","features":[{",".join(filter(None, texts))}]}}'
    headers = {"Content-Crs": f"<{DEFAULT_CRS.uri}>"}
    return Response(content, media_type=GEOJSON, headers=headers)


@router.put(_ITEM, dependencies=[WRITER])
def replace_item(
    request: Request, chosen: Chosen, identifier: str, body: FeatureBody, session: DatabaseSession
) -> Response:
    """Put a feature in the place of another."""
    # some clients ask for the reference system that they write in
    reject_unknown(request.query_params, ("crs",))
    editor = _editor(request, chosen, "replace")
    check_media_type(request.headers.get("content-type"), GEOJSON, JSON)
    current = _current(request, session, chosen, identifier, editor)
    draft = _draft(session, request, chosen, body, current=current)
    changed = editor.replace(session, identifier, draft)
    return _written(request, session, chosen, changed)


@router.patch(_ITEM, dependencies=[WRITER, NO_PARAMETERS])
def update_item(
    request: Request, chosen: Chosen, identifier: str, body: FeatureBody, session: DatabaseSession
) -> Response:
    """Change some of a feature by a merge patch (RFC 7396)."""
    editor = _editor(request, chosen, "update")
    check_media_type(request.headers.get("content-type"), MERGE_PATCH, GEOJSON, JSON)
    current = _current(request, session, chosen, identifier, editor)
    draft = _draft(session, request, chosen, body, current=current, is_patch=True)
    changed = editor.replace(session, identifier, draft)
    return _written(request, session, chosen, changed)


@router.delete(_ITEM, dependencies=[WRITER, NO_PARAMETERS])
def delete_item(
    request: Request, chosen: Chosen, identifier: str, session: DatabaseSession
) -> Response:
    """Take a feature away."""
    editor = _editor(request, chosen, "delete")
    _current(request, session, chosen, identifier, editor)
    editor.delete(session, identifier)
    return Response(status_code=204)


def _items_methods(chosen: Collection) -> list[str]:
    created = ["POST"] if "create" in chosen.actions else []
    return ["GET", "HEAD", "OPTIONS", *created, *(["PATCH"] if chosen.in_groups else [])]


def _item_methods(chosen: Collection) -> list[str]:
    written = [_METHODS[each] for each in chosen.actions if each != "create"]
    return ["GET", "HEAD", "OPTIONS", *written]


def _editor(request: Request, chosen: Collection, action: Action) -> Editor:
    if action not in chosen.actions:
        methods = _items_methods(chosen) if action == "create" else _item_methods(chosen)
        raise refuse_method(methods)
    editor: Editor = request.app.state.editors()[chosen.name]
    return editor


def _current(
    request: Request,
    session: DatabaseSession,
    chosen: Collection,
    identifier: str,
    editor: Editor,
) -> dict[str, Any]:
    """The feature as it is, held until the end, if it is the version that the client read."""
    missing = NotFound(f"The collection '{chosen.name}' has no feature '{identifier}'.")
    if get_feature(running_in(session), collection=chosen, identifier=identifier) is None:
        raise missing
    editor.lock(session, identifier)
    text = get_feature(running_in(session), collection=chosen, identifier=identifier)
    if text is None:
        raise missing
    settings: Settings = request.app.state.settings
    check_version(_if_match(request), entity_tag(text), required=settings.require_if_match)
    feature: dict[str, Any] = json.loads(text)
    return feature


def _current_ones(
    request: Request,
    session: DatabaseSession,
    chosen: Collection,
    features: list[Any],
    editor: GroupEditor,
) -> dict[str, dict[str, Any]]:
    """The features with an id as they are, held, if they are the versions that the client read."""
    if not all(isinstance(each, dict) for each in features):
        raise InputError("The feature collection holds what is no feature.")
    named = [str(each["id"]) for each in features if each.get("id") is not None]
    editor.hold(session, named)
    texts: dict[str, str] = {}
    for identifier in named:
        text = get_feature(running_in(session), collection=chosen, identifier=identifier)
        if text is None:
            raise NotFound(f"The collection '{chosen.name}' has no feature '{identifier}'.")
        texts[identifier] = text
    settings: Settings = request.app.state.settings
    tags = {identifier: entity_tag(text) for identifier, text in texts.items()}
    check_versions(_if_match(request), tags, required=settings.require_if_match)
    return {identifier: json.loads(text) for identifier, text in texts.items()}


def _if_match(request: Request) -> str | None:
    """The versions that the client read; a list may come in several lines (RFC 9110, 5.3)."""
    lines = request.headers.getlist("if-match")
    return ", ".join(lines) if lines else None


def _change(
    session: DatabaseSession,
    request: Request,
    chosen: Collection,
    feature: dict[str, Any],
    current: dict[str, dict[str, Any]],
) -> tuple[str | None, Draft | None]:
    """One feature among several: its identifier, if it is there already, and its draft."""
    if feature.get("id") is None:
        return None, _drafted(session, request, chosen, feature)
    identifier = str(feature["id"])
    if feature.get("geometry") is None:
        return identifier, None
    before = current[identifier]
    return identifier, _drafted(session, request, chosen, feature, current=before)


def _draft(
    session: DatabaseSession,
    request: Request,
    chosen: Collection,
    body: bytes,
    *,
    current: dict[str, Any] | None = None,
    is_patch: bool = False,
) -> Draft:
    document = read_object(body)
    return _drafted(session, request, chosen, document, current=current, is_patch=is_patch)


def _drafted(
    session: DatabaseSession,
    request: Request,
    chosen: Collection,
    document: dict[str, Any],
    *,
    current: dict[str, Any] | None = None,
    is_patch: bool = False,
) -> Draft:
    crs = content_crs(request)
    draft = read_draft(chosen, document, crs=crs, current=current, is_patch=is_patch)
    if crs.srid == SRID or draft.geometry is None or not draft.moved:
        return draft
    placed = func.ST_SetSRID(func.ST_GeomFromGeoJSON(json.dumps(draft.geometry)), crs.srid)
    with explaining(crs, crs_name="Content-Crs"):
        text = session.scalar(select(func.ST_AsGeoJSON(func.ST_Transform(placed, SRID), 15)))
    return Draft(draft.properties, json.loads(text or "null"), True, draft.identifier)


def content_crs(request: Request) -> Crs:
    """The reference system that the header ``Content-Crs`` names for the body."""
    given = request.headers.get("content-crs")
    if given is None:
        return DEFAULT_CRS
    if not (given.startswith("<") and given.endswith(">")):
        raise InputError("Content-Crs has to be the name of a reference system between < and >.")
    return parse_crs("Content-Crs", given[1:-1])


def _written(
    request: Request,
    session: DatabaseSession,
    chosen: Collection,
    identifier: str,
    status: int = 200,
) -> Response:
    """The feature as it was written, with its version and its address."""
    text = get_feature(running_in(session), collection=chosen, identifier=identifier)
    if text is None:  # the editor's word that it is there
        raise RuntimeError(f"{chosen.name}: {identifier} was written and is not there")
    site = Site.of(request)
    address = site.url(f"/collections/{chosen.name}/items/{identifier}")
    own = Site(site.base, f"/collections/{chosen.name}/items/{identifier}", ())
    headers = {"ETag": entity_tag(text), "Content-Crs": f"<{DEFAULT_CRS.uri}>"}
    headers["Location" if status == 201 else "Content-Location"] = address
    content = documents.feature(own, chosen, text.encode(), shown="json")
    return Response(content, status_code=status, media_type=GEOJSON, headers=headers)
