"""The quality report: what it says is what is so, and nothing in it runs or leaves the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import LineString, Point, box

from geodata.errors import InputError
from geodata.report import quality_report
from geodata.report.pictures import _apart

HOSTILE = "<script>alert(1)</script>&\"'{{ 7 * 7 }}"
LOADS = [400, 410, 390, 520, 400, 280, 400, 900]


def community() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"code": ["A", "B"], "name": [HOSTILE, "兰溪里"]},
        geometry=[box(120, 30, 120.02, 30.01), box(120, 30.01, 120.02, 30.02)],
        crs=4326,
    )


def grids(loads=LOADS) -> gpd.GeoDataFrame:
    """Two rows of four grids; the last is flagged."""
    shapes = [
        box(120 + k * 0.005, 30 + row * 0.01, 120.005 + k * 0.005, 30.01 + row * 0.01)
        for row in range(2)
        for k in range(4)
    ]
    return gpd.GeoDataFrame(
        {
            "grid_code": [f"{'AB'[k // 4]}{k % 4 + 1:03d}" for k in range(8)],
            "community_code": ["AB"[k // 4] for k in range(8)],
            "households": loads,
            "flag": [None] * 7 + ["oversize"],
            "reason": [None] * 7 + [f"tower {HOSTILE}"],
        },
        geometry=shapes,
        crs=4326,
    )


ROADS = gpd.GeoDataFrame(
    {"kind": ["road", "lake"]},
    geometry=[LineString([(120.005, 29.99), (120.005, 30.03)]), box(120.01, 30, 120.012, 30.001)],
    crs=4326,
)


class Page(HTMLParser):
    """Tags that are open, attributes, and rows of tables as text."""

    VOID = ("meta",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: dict[str, list[str]] = {}
        self._cells: list[str] = []
        self._hint = False
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self._cells = []
        if tag in ("th", "td"):
            self._cells.append("")
        self._hint = dict(attributes).get("class") == "hint"

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "tr":
            self.rows.setdefault(self._cells[0], self._cells[1:])

    def handle_data(self, data):
        if "tr" in self.open and self._cells and not self._hint:
            self._cells[-1] += data.strip()


def test_the_summary_says_the_figures_and_their_goals():
    page = Page(quality_report(grids(), community(), ROADS))
    assert page.rows["Grids"][0] == "8"
    assert page.rows["Households"][0] == "3,700"
    # seven grids without a flag: 520 and 280 are out of range
    assert page.rows["Within range"] == ["71.4 %", "100 %", "✗ missed"]
    # A has the mean 430, B (without the flagged grid) 360: 90/430 is the most, 80/360 is more
    assert page.rows["Deviation, most"] == ["22.2 %", "≤ 10 %", "✗ missed"]
    assert page.rows["Gaps"] == ["0 m²", "0 m²", "✓ met"]
    assert page.rows["Grids in several parts"] == ["0", "0", "✓ met"]


def test_names_are_text():
    text = quality_report(
        grids(), community(), ROADS, before=grids(), title=HOSTILE, before_name=HOSTILE
    )
    assert "<script" not in text
    assert "49" not in re.findall(r"\{\{.*?\}\}", text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in text
    assert "{{ 7 * 7 }}" in text
    assert "兰溪里" in text
    Page(text)


def test_nothing_is_fetched():
    page = Page(quality_report(grids(), community(), ROADS))
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "img", "iframe", "object")
        assert not {"src", "href", "srcset", "style", "onload"} & attributes.keys()
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_the_same_bytes_for_any_order_of_rows():
    frames = [grids(), community(), ROADS]
    shuffled = [frame.sample(frac=1, random_state=3) for frame in frames]
    before = grids(LOADS[::-1])
    assert quality_report(*frames, before=before) == quality_report(
        *shuffled, before=before.iloc[::-1]
    )


def test_the_worst_come_first_and_flags_have_their_reason():
    text = quality_report(grids(), community(), ROADS)
    cards = text[text.index('class="cards"') : text.index("<h2>Flags")]
    codes = re.findall(r"<strong>(.*?)</strong>", cards)
    assert codes[:2] == ["B002", "A004"]  # out of range: 80/360 below, 90/430 above
    assert "B004" not in codes  # flagged
    assert "under the minimum of 300" in cards
    assert "over the maximum of 500" in cards
    page = Page(text)
    assert page.rows["B004"] == ["兰溪里", "900", "oversize", f"tower {HOSTILE}"]


def test_the_bar_of_the_maximum_shows_who_is_above_it():
    text = quality_report(grids([400, 500, 501, 509, 300, 299, 350, 900]), community())
    bar = text[text.index("500 to 509 households: 3 grids") :]
    heights = re.findall(r'<rect class="(in|h3)".*?height="([\d.]+)"', bar[: bar.index("</g>")])
    assert [kind for kind, _ in heights] == ["in", "h3"]
    assert float(heights[1][1]) == pytest.approx(2 * float(heights[0][1]), abs=0.2)


def test_bars_hold_every_grid_even_beyond_the_axis():
    text = quality_report(grids(), community())
    bars = re.findall(r"<title>(.*?) households: (\d+) grids(?:, (\d+) of them flagged)?", text)
    assert sum(int(count) for _, count, _ in bars) == 8
    assert bars[-1] == ("790 or more", "1", "1")


def test_yardstick_counts_points_and_tells_what_lies_outside():
    halves = gpd.GeoDataFrame(
        {"beat": [1, 2, 3]},
        geometry=[box(120, 30, 120.01, 30.02), box(120.01, 30, 120.02, 30.02), box(0, 0, 1, 1)],
        crs=4326,
    )
    homes = gpd.GeoDataFrame(
        {"households": [300, 100, 7]},
        geometry=[Point(120.001, 30.001), Point(120.019, 30.001), Point(5, 5)],
        crs=4326,
    )
    text = quality_report(
        grids(), community(), ROADS, yardstick=halves.to_crs(32650), households=homes
    )
    assert "counts. 1 of them lie outside the communities" in text
    compared = Page(
        text[text.index("<h2>Compared") : text.index("</section>\n\n<section>\n<h2>Load")]
    )
    assert compared.rows["Grids"] == ["8", "2"]
    assert compared.rows["Households"] == ["3,700", "400"]
    # the border between the halves is 120.01, where no barrier is but the end of the lake
    assert compared.rows["Deviation, most"] == ["22.2 %", "50.0 %"]
    with pytest.raises(InputError, match="no column 'households'"):
        quality_report(grids(), community(), yardstick=halves)
    with pytest.raises(InputError, match="row 2 of the yardstick: 'many'"):
        quality_report(grids(), community(), yardstick=halves.assign(households=[1, "many", 2]))
    with pytest.raises(InputError, match="lies in the communities"):
        quality_report(grids(), community(), yardstick=halves.assign(households=1).iloc[2:])


def test_what_became_of_the_grids_of_the_plan_before_is_counted():
    before = grids()
    before.loc[0, "geometry"] = box(120, 30, 120.005, 30.009)
    before.loc[7, "grid_code"] = "B009"
    text = quality_report(grids(), community(), before=before)
    assert (
        "in bold. Against the plan before: 6 grids as before, 1 grid with another border, "
        "1 grid new, 1 grid gone. " in text
    )


def test_faults_are_places_with_numbers_that_can_be_read():
    drawn = grids()
    drawn.loc[0, "geometry"] = box(120, 30, 120.005, 30.012)  # beyond its community
    drawn.loc[4, "geometry"] = box(120, 30.012, 120.005, 30.02)
    drawn.loc[7, "geometry"] = box(120.0151, 30.01, 120.02, 30.02)  # a gap within B
    text = quality_report(drawn, community())
    assert "3 faults in 2 places</h2>" in text
    page = Page(text)
    both, gap = page.rows["1"], page.rows["2"]
    words = "ground of one community in a grid of another"
    assert both[:3] == ["gap, stray", words, "community B, grid A001"]
    assert gap[:3] == ["gap", "ground in no grid", "community B"]
    lat, lon = (float(each) for each in both[4].split(","))
    assert Point(lon, lat).within(box(120, 30.01, 120.005, 30.012))
    assert float(both[3].replace(",", "")) == pytest.approx(482 * 222, rel=0.01)
    assert len(re.findall(r'<circle class="pin"', text)) == 2


def test_numbers_of_faults_do_not_cover_each_other():
    places = np.array([[500.0, 500.0]] * 12 + [[10.0, 990.0]])
    size = np.array([1000.0, 1000.0])
    pins = _apart(places, 40.0, size)
    apart = np.hypot(*(pins[:, None] - pins[None]).transpose(2, 0, 1))
    assert apart[np.triu_indices(13, 1)].min() > 80
    assert (pins >= 40).all()
    assert (pins <= 960).all()
    assert pins[0].tolist() == [500, 500]


def test_grids_on_one_point_of_the_scale_and_without_flags():
    alone = grids([400] * 8).drop(columns=["flag", "reason"]).to_crs(32650)
    text = quality_report(alone, community(), target=400, minimum=400, maximum=400)
    assert "No grid is flagged." in text
    Page(text)


def test_many_grids_are_drawn_as_communities(monkeypatch):
    from geodata.report import page

    monkeypatch.setattr(page, "_MOST_DRAWN", 5)
    text = quality_report(grids(), community())
    assert "each community in the mean of its grids" in text
    assert "A (4 grids)" in text


def test_bad_input_is_named():
    with pytest.raises(InputError, match="no column 'grid_code'"):
        quality_report(grids().drop(columns="grid_code"), community())
    with pytest.raises(InputError, match="'A001' occurs more than once"):
        quality_report(pd.concat([grids(), grids().head(1)]), community())
    with pytest.raises(InputError, match="no grid"):
        quality_report(grids().head(0), community())


@pytest.mark.parametrize("loads", [[400] * 8, [310, 490] * 4, LOADS])
def test_the_words_of_the_range_have_room(loads):
    """Also where no grid is out of range: their ends lie within the picture."""
    text = quality_report(grids(loads), community())
    (picture,) = re.findall(r'<svg class="bars".*?</svg>', text, re.DOTALL)
    places = re.findall(
        r'<text class="mark" x="([\d.]+)" y="[\d.]+" text-anchor="(\w+)">([^<]+)', picture
    )
    ends = {words.split()[0]: (float(x), anchor, 8 * len(words)) for x, anchor, words in places}
    assert ends["minimum"][1:] == ("end", 88)
    assert ends["minimum"][0] >= ends["minimum"][2]
    assert ends["maximum"][1] == "start"
    assert ends["maximum"][0] + ends["maximum"][2] <= 760
