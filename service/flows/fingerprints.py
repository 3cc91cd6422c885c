"""What a file is and how it is read, as one checksum: unchanged means nothing to do."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from geodata.errors import UnreadableFile
from geodata.manifest import Manifest, Source

__all__ = ["fingerprint", "label"]


def label(source: Source) -> str:
    """The file's name, and the layer where one is named."""
    return f"{source.file.name}:{source.layer}" if source.layer else source.file.name


def fingerprint(source: Source, manifest: Manifest) -> str:
    """SHA-256 of a file, of those that belong to it, and of all that says how to read it.

    Raises
    ------
    UnreadableFile
        The file cannot be read.
    """
    digest = hashlib.sha256()
    how = {key: value for key, value in asdict(source).items() if key not in ("file", "table")}
    how |= {"kind": type(source).__name__, "prefix": manifest.prefix}
    digest.update(json.dumps(how, sort_keys=True, default=str).encode())
    try:
        for path in _files_of(source.file):
            digest.update(f"\0{path.name}\0".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise UnreadableFile(f"it cannot be read: {error.strerror}", file=source.file) from error
    return digest.hexdigest()


def _files_of(file: Path) -> list[Path]:
    """The file, what it holds if it is a folder, and a shapefile's companions."""
    if file.is_dir():
        return sorted(path for path in file.rglob("*") if path.is_file())
    if file.suffix.lower() == ".shp":
        return sorted(path for path in file.parent.glob(f"{file.stem}.*") if path.is_file())
    return [file]
