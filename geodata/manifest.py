"""dataset.toml -> typed sources: which file holds what, and in which columns.

The whole file is checked before any data is read. Whatever is wrong gives one
:class:`~geodata.errors.ManifestError` that names the key and, where a name is unknown, the nearest
known one. ``docs/data.md`` is the guide for those who write the file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from geodata import _values as parsers
from geodata._values import nearest
from geodata.errors import ManifestError, UnreadableFile
from geodata.inputs import checked_path
from geodata.schema import LEVELS, ROLE_PATTERN

__all__ = [
    "BarrierSource",
    "DivisionSource",
    "FacilitySource",
    "GivenSource",
    "GridRules",
    "HouseholdSource",
    "Manifest",
    "MemberSource",
    "Source",
    "nearest",
    "read_manifest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file, or one layer of it, and how to read it.

    Attributes
    ----------
    table : str
        The table of the manifest that names it, for messages: ``households``, ``divisions 2``.
    file : Path
        Absolute path.
    layer : str or None
        The layer of a file that holds several.
    crs : str or None
        The CRS that the manifest states for this file: ``EPSG:n``, ``gcj02`` or ``bd09``.
    dataset_crs : str or None
        The CRS of the data set, for a file that states none itself.
    encoding : str or None
        Name of the text encoding; None lets the reader find out.
    header_rows : int
        Rows above the data; the first of them names the columns.
    delimiter : str or None
        One character; None lets the reader find out. CSV only.
    """

    table: str
    file: Path
    layer: str | None = None
    crs: str | None = None
    dataset_crs: str | None = None
    encoding: str | None = None
    header_rows: int = 1
    delimiter: str | None = None

    @property
    def columns(self) -> dict[str, str]:
        """Our field -> column of the file, for every field that the manifest maps."""
        own = (name for name in _fields_of(type(self)) if name not in self._literal)
        return {name: value for name in own if isinstance(value := getattr(self, name), str)}

    def advice(self, key: str) -> str:
        """What to do to set a key, for messages."""
        if key == "layer":
            return f"name one by layer in [{self.table}]"
        return f"set {key} in [{self.table}]"

    @property
    def _literal(self) -> frozenset[str]:
        """Keys whose text is not the name of a column."""
        return frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class DivisionSource(Source):
    """Polygons of one administrative level."""

    level: str
    code: str
    name: str | None = None
    parent: str | None = None

    @property
    def _literal(self) -> frozenset[str]:
        return frozenset({"level"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdSource(Source):
    """Households, one or several a record."""

    id: str
    address: str | None = None
    building: str | None = None
    unit: str | None = None
    households: str | None = None
    community: str | None = None
    lon: str | None = None
    lat: str | None = None
    geometry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierSource(Source):
    """Lines or polygons whose edges are good cuts.

    ``weight`` is a column or a number. ``kind`` is a column or, where the file has no such column,
    the kind itself.
    """

    weight: str | float | None = None
    kind: str | None = None

    @property
    def _literal(self) -> frozenset[str]:
        return frozenset({"kind"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSource(Source):
    """A file that a command is given by name; no manifest tells of it.

    ``layer_option`` is how the command is told which layer is meant.
    """

    table: str = "file"
    layer_option: str = "--layer"

    def advice(self, key: str) -> str:
        """The option to give, if there is one."""
        if key == "layer":
            return f"name one with {self.layer_option}"
        return "give --crs" if key == "crs" else f"state its {key}"

    @property
    def _literal(self) -> frozenset[str]:
        return frozenset({"layer_option"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSource(Source):
    """Team members with the roles that they may fill."""

    id: str
    roles: str
    name: str | None = None
    max_posts: str | None = None
    lon: str | None = None
    lat: str | None = None
    geometry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FacilitySource(Source):
    """Service centres and other places."""

    id: str
    name: str | None = None
    kind: str | None = None
    lon: str | None = None
    lat: str | None = None
    geometry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRules:
    """Households that a grid should hold, and how far a household may be snapped (metres)."""

    target: int = 400
    minimum: int = 300
    maximum: int = 500
    snap_tolerance_m: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A whole dataset.toml.

    Attributes
    ----------
    path : Path
        The file itself, absolute.
    name, licence, prefix : str or None
        What ``[dataset]`` says; ``prefix`` is put before every division code.
    crs, encoding : str or None
        Of the data set, for files that state none themselves.
    divisions : tuple of DivisionSource
        From the top level down, whatever their order in the file.
    households : HouseholdSource
    barriers : tuple of BarrierSource
    members : MemberSource or None
    facilities : FacilitySource or None
    grid : GridRules
    team : mapping of str to int
        Role -> posts that a grid needs, in the order of the file.
    """

    path: Path
    name: str
    crs: str | None = None
    licence: str | None = None
    prefix: str = ""
    encoding: str | None = None
    divisions: tuple[DivisionSource, ...]
    households: HouseholdSource
    barriers: tuple[BarrierSource, ...] = ()
    members: MemberSource | None = None
    facilities: FacilitySource | None = None
    grid: GridRules = field(default_factory=GridRules)
    team: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every file of the data set in the order in which it is loaded."""
        single = [self.members, self.facilities]
        return (
            *self.divisions,
            self.households,
            *self.barriers,
            *(source for source in single if source is not None),
        )


def read_manifest(path: str | Path) -> Manifest:
    """Read and check a dataset.toml.

    Parameters
    ----------
    path : str or Path
        The TOML file; the paths in it are relative to its folder.

    Raises
    ------
    UnreadableFile
        The file is missing or is no TOML.
    ManifestError
        A key or table is unknown, missing or of the wrong type, a value is out of range, or a
        file that it names does not exist.
    """
    path = checked_path(path)
    tables = _parse(path)
    check = _Check(path.resolve())
    check.unknown(tables, _TABLES, "table")
    dataset = check.table(tables, "dataset", _DATASET_KEYS, required=False)
    defaults = {"dataset_crs": dataset.get("crs"), "encoding": dataset.get("encoding")}
    divisions = check.sources(tables, "divisions", DivisionSource, defaults)
    if not divisions:
        raise check.error("[[divisions]] is missing: name at least the communities", "divisions")
    if all(source.level != "community" for source in divisions):
        raise check.error(
            'no [[divisions]] has level = "community": grids are drawn inside communities',
            "divisions",
        )
    households = check.source(tables, "households", HouseholdSource, defaults)
    if households is None:
        raise check.error("[households] is missing: name the file that holds them", "households")
    name = dataset.pop("name", None) or check.path.parent.name or check.path.stem
    return Manifest(
        path=check.path,
        name=name,
        **dataset,
        divisions=tuple(sorted(divisions, key=lambda source: LEVELS.index(source.level))),
        households=households,
        barriers=tuple(check.sources(tables, "barriers", BarrierSource, defaults)),
        members=check.source(tables, "members", MemberSource, defaults),
        facilities=check.source(tables, "facilities", FacilitySource, defaults),
        grid=_grid_rules(check, tables),
        team=_team(check, tables),
    )


def _parse(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UnreadableFile("there is no such file", file=path) from None
    except IsADirectoryError:
        raise UnreadableFile("this is a folder: name the dataset.toml in it", file=path) from None
    except UnicodeDecodeError:
        raise UnreadableFile("this is not UTF-8 text, which TOML has to be", file=path) from None
    except OSError as error:
        raise UnreadableFile(f"it cannot be read: {error.strerror}", file=path) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"this is not valid TOML: {error}", file=path) from None


_Parser = Callable[[Any], Any]

_TABLES: Final = (
    "dataset",
    "divisions",
    "households",
    "barriers",
    "members",
    "facilities",
    "grid",
    "team",
)

_DATASET_KEYS: Final[Mapping[str, _Parser]] = {
    "name": parsers.text,
    "crs": parsers.crs,
    "licence": parsers.text,
    "prefix": parsers.prefix,
    "encoding": parsers.encoding,
}

_GRID_KEYS: Final[Mapping[str, _Parser]] = {
    "target": parsers.positive,
    "minimum": parsers.positive,
    "maximum": parsers.positive,
    "snap_tolerance_m": parsers.distance,
}

_FILE_KEYS: Final[Mapping[str, _Parser]] = {
    "file": parsers.text,
    "layer": parsers.text,
    "crs": parsers.crs,
    "encoding": parsers.encoding,
    "header_rows": parsers.positive,
    "delimiter": parsers.delimiter,
}

#: keys that are not the name of a column
_SPECIAL_KEYS: Final[Mapping[str, _Parser]] = {"level": parsers.level, "weight": parsers.weight}

_REQUIRED: Final[Mapping[type, tuple[str, ...]]] = {
    DivisionSource: ("level", "file", "code"),
    HouseholdSource: ("file", "id"),
    BarrierSource: ("file",),
    MemberSource: ("file", "id", "roles"),
    FacilitySource: ("file", "id"),
}

_Kind = TypeVar("_Kind", bound=Source)


def _fields_of(kind: type[Source]) -> tuple[str, ...]:
    """The names that a kind of source adds to those of every file."""
    common = {each.name for each in fields(Source)}
    return tuple(each.name for each in fields(kind) if each.name not in common)


def _keys_of(kind: type[Source]) -> dict[str, _Parser]:
    own = {name: _SPECIAL_KEYS.get(name, parsers.text) for name in _fields_of(kind)}
    return {**_FILE_KEYS, **own}


class _Check:
    """Takes tables apart and knows how to complain: every error names the file and the key."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def error(self, message: str, key: str | None = None) -> ManifestError:
        return ManifestError(message, file=self.path, field=key)

    def unknown(self, given: Iterable[str], known: Iterable[str], what: str, at: str = "") -> None:
        allowed = tuple(known)
        for key in given:
            if key not in allowed:
                raise self.error(f"unknown {what} '{key}': {nearest(key, allowed)}", f"{at}{key}")

    def values(
        self, given: Any, keys: Mapping[str, _Parser], name: str, brackets: str
    ) -> dict[str, Any]:
        """Parsed values of one table."""
        if not isinstance(given, dict):
            raise self.error(f"must be a table: write {brackets}", name)
        self.unknown(given, keys, "key", f"{name}.")
        parsed = {}
        for key, value in given.items():
            try:
                parsed[key] = keys[key](value)
            except ValueError as error:
                raise self.error(str(error), f"{name}.{key}") from None
        return parsed

    def table(
        self, tables: Mapping[str, Any], name: str, keys: Mapping[str, _Parser], *, required: bool
    ) -> dict[str, Any]:
        if name not in tables and not required:
            return {}
        return self.values(tables.get(name), keys, name, f"[{name}]")

    def source(
        self,
        tables: Mapping[str, Any],
        name: str,
        kind: type[_Kind],
        defaults: Mapping[str, Any],
    ) -> _Kind | None:
        """The source of a single table such as ``[households]``."""
        if name not in tables:
            return None
        return self._source(tables[name], name, name, f"[{name}]", kind, defaults)

    def sources(
        self,
        tables: Mapping[str, Any],
        name: str,
        kind: type[_Kind],
        defaults: Mapping[str, Any],
    ) -> list[_Kind]:
        """The sources of a repeated table such as ``[[divisions]]``."""
        given = tables.get(name, [])
        if not isinstance(given, list):
            raise self.error(f"may repeat: write [[{name}]] with two brackets", name)
        return [
            self._source(each, name, f"{name} {number}", f"[[{name}]]", kind, defaults)
            for number, each in enumerate(given, start=1)
        ]

    def _source(
        self,
        given: Any,
        name: str,
        table: str,
        brackets: str,
        kind: type[_Kind],
        defaults: Mapping[str, Any],
    ) -> _Kind:
        values = self.values(given, _keys_of(kind), table, brackets)
        for key in _REQUIRED[kind]:
            if key not in values:
                raise self.error(f"'{key}' is missing in {brackets}", f"{table}.{key}")
        for one, other in (("lon", "lat"), ("lat", "lon")):
            if one in values and other not in values:
                raise self.error(f"'{one}' is given but '{other}' is not", f"{table}.{other}")
        if "lon" in values and "geometry" in values:
            raise self.error("give 'lon' and 'lat' or 'geometry', not both", f"{table}.geometry")
        values["file"] = self._existing(values["file"], f"{table}.file")
        given_defaults = {key: value for key, value in defaults.items() if value is not None}
        return kind(**{**given_defaults, "table": table, **values})

    def _existing(self, name: str, key: str) -> Path:
        path = (self.path.parent / name).resolve()
        if path.exists():
            return path
        folder = path.parent
        if not folder.is_dir():
            raise self.error(f"there is no folder '{folder}' for the file '{name}'", key)
        there = sorted(each.name for each in folder.iterdir() if each.is_file())
        raise self.error(f"there is no file '{name}': {nearest(path.name, there)}", key)


def _grid_rules(check: _Check, tables: Mapping[str, Any]) -> GridRules:
    rules = GridRules(**check.table(tables, "grid", _GRID_KEYS, required=False))
    if not rules.minimum <= rules.target <= rules.maximum:
        raise check.error(
            f"minimum {rules.minimum} <= target {rules.target} <= maximum {rules.maximum} "
            "does not hold",
            "grid",
        )
    return rules


def _team(check: _Check, tables: Mapping[str, Any]) -> Mapping[str, int]:
    given = tables.get("team", {})
    if not isinstance(given, dict):
        raise check.error("must be a table: write [team]", "team")
    for role in given:
        if not re.match(ROLE_PATTERN, role):
            raise check.error(
                f"'{role}' is no role name: lower-case letters, digits and '_', a letter first",
                f"team.{role}",
            )
    return MappingProxyType(
        check.table(tables, "team", dict.fromkeys(given, parsers.count), required=False)
    )
