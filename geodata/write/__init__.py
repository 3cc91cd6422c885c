"""Frames to files, by suffix."""

from geodata.write.files import write

__all__ = ["write"]
