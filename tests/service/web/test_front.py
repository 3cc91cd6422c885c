"""The way in answers as the usual way does: the same bodies, headers and problems."""

from __future__ import annotations

import gzip

import pytest
from fastapi.testclient import TestClient

#: Of the answer, not of the moment.
CHANGING = ("date", "content-length")


@pytest.mark.parametrize(
    "path",
    [
        "/collections/grids/items?limit=2",
        "/collections/households/items?limit=3&offset=1",
        "/collections/households/items?bbox=-1,-1,1,1&limit=2&sortby=-reference",
        "/collections/grids/items/C1001",
        "/collections/grids/items/nowhere",
        "/collections/grids/items?limit=no",
        "/collections/nothing/items",
        "/collections/grids/items?f=html",
        "/collections/grids/tiles/WebMercatorQuad/0/0/0",
        "/collections/grids/tiles/WebMercatorQuad/0/0/9",
    ],
)
@pytest.mark.parametrize("packing", ["gzip", "identity"])
def test_it_answers_as_the_usual_way_does(reader: TestClient, path: str, packing: str) -> None:
    headers = {"Accept-Encoding": packing}
    # requests of other origins go the usual way
    usual = reader.get(path, headers={**headers, "Origin": "http://127.0.0.1"})
    direct = reader.get(path, headers=headers)
    assert direct.status_code == usual.status_code
    assert _lasting(direct.text) == _lasting(usual.text)
    for name in (*usual.headers, *direct.headers):
        if name in CHANGING or name in ("content-encoding", "vary"):
            continue
        assert direct.headers.get(name) == usual.headers.get(name), name


def _lasting(text: str) -> str:
    """The body without the second of its making."""
    before, _, after = text.partition('"timeStamp": "')
    return before + after[20:]


def test_what_fits_into_a_packet_is_not_packed(reader: TestClient) -> None:
    with reader.stream("GET", "/collections/grids/items?limit=1000") as long:
        content = b"".join(long.iter_raw())
        assert long.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in long.headers["vary"]
        assert int(long.headers["content-length"]) == len(content)
        assert gzip.decompress(content).startswith(b'{"type":"FeatureCollection"')
    plain = reader.get("/collections/facilities/items?limit=1")
    assert len(plain.content) < 1400
    assert "content-encoding" not in plain.headers
