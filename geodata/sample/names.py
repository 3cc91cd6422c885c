"""Invented place names, in English and Chinese, drawn by number.

A name is two stems (``Willow`` + ``Ferry``) and a kind (``Street``). The stems are ordinary words,
so no name points at a real place.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOCAL_KINDS", "PLACES", "compound", "local_street_names", "local_street_names_zh"]

_FIRST: Final = (
    ("Willow", "柳"), ("Stone", "石"), ("Heron", "鹭"), ("Amber", "珀"), ("Cedar", "杉"),
    ("North", "北"), ("Lantern", "灯"), ("Plum", "梅"), ("Silver", "银"), ("Reed", "苇"),
    ("Crane", "鹤"), ("Maple", "枫"), ("Salt", "盐"), ("Quiet", "静"), ("Copper", "铜"),
    ("Bamboo", "竹"), ("Old", "古"), ("Cloud", "云"), ("Lotus", "荷"), ("Iron", "铁"),
    ("Pine", "松"), ("South", "南"), ("Orchid", "兰"), ("Long", "长"), ("Mulberry", "桑"),
    ("White", "白"), ("Ginkgo", "杏"), ("Tea", "茶"), ("East", "东"), ("Swallow", "燕"),
    ("Peach", "桃"), ("Moon", "月"), ("Clear", "清"), ("Jade", "玉"), ("West", "西"),
    ("Osmanthus", "桂"), ("Round", "圆"), ("Magpie", "鹊"), ("High", "高"), ("Sand", "沙"),
)  # fmt: skip
_SECOND: Final = (
    ("Weir", "堰"), ("Ferry", "渡"), ("Bridge", "桥"), ("Mill", "磨"), ("Well", "井"),
    ("Gate", "门"), ("Pavilion", "亭"), ("Hill", "岗"), ("Garden", "园"), ("Market", "集"),
    ("Bank", "岸"), ("Field", "田"), ("Tower", "楼"), ("Spring", "泉"), ("Harbour", "港"),
    ("Terrace", "台"), ("Orchard", "林"), ("Ford", "津"), ("Slope", "坡"), ("Pond", "塘"),
    ("Arch", "坊"), ("Valley", "谷"), ("Shore", "滩"), ("Court", "庭"), ("Ridge", "岭"),
    ("Wharf", "埠"), ("Meadow", "坪"), ("Hall", "堂"), ("Brook", "溪"), ("Kiln", "窑"),
)  # fmt: skip

#: Kind of place -> suffix in English and Chinese.
PLACES: Final = {
    "province": ("Province", "省"),
    "city": ("City", "市"),
    "district": ("District", "区"),
    "county": ("County", "县"),
    "street": ("Subdistrict", "街道"),
    "town": ("Town", "镇"),
    "township": ("Township", "乡"),
    "zone": ("Development Zone", "开发区"),
    "community": ("Community", "社区"),
    "village": ("Village", "村"),
}

LOCAL_KINDS: Final = (("Street", "街"), ("Lane", "巷"), ("Road", "路"), ("Row", "里"))

#: Distinct pairs of stems.
PAIRS: Final = len(_FIRST) * len(_SECOND)


def compound(number: int, kind: str = "", *, chinese: bool = False) -> str:
    """The name of one place: ``number`` picks the pair of stems, ``kind`` the suffix.

    Numbers that are equal modulo the number of pairs give the same stems.
    """
    language = 1 if chinese else 0
    first, second = divmod(number % PAIRS, len(_SECOND))
    # walk both lists at once, so that neighbouring numbers do not share a stem
    first = (first + second * 7) % len(_FIRST)
    stems = _FIRST[first][language] + ("" if chinese else " ") + _SECOND[second][language]
    if not kind:
        return stems
    return stems + PLACES[kind][1] if chinese else f"{stems} {PLACES[kind][0]}"


def _local_names(language: int) -> NDArray[np.object_]:
    """Names of minor streets: one stem or two, and Street, Lane, Road or Row; about 2,700."""
    gap = " " if language == 0 else ""
    stems = [word[language] for word in _FIRST + _SECOND]
    pairs = [compound(number, chinese=language == 1) for number in range(PAIRS)]
    names = [stem + gap + kind[language] for kind in LOCAL_KINDS for stem in stems]
    names += [pair + gap + kind[language] for kind in LOCAL_KINDS[:2] for pair in pairs]
    return np.array(names, dtype=object)


def local_street_names() -> NDArray[np.object_]:
    """The English names of minor streets, in a fixed order."""
    return _local_names(0)


def local_street_names_zh() -> NDArray[np.object_]:
    """The Chinese names of minor streets, in the order of `local_street_names`."""
    return _local_names(1)
