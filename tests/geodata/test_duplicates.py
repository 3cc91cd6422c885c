"""References seen before: in memory, and in the file that takes those which are many."""

from __future__ import annotations

import gc
import tempfile
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata import duplicates
from geodata.duplicates import DuplicateTracker
from geodata.errors import UnavailableError


def check(tracker: DuplicateTracker, references: list[str], first_row: int = 1) -> list[int]:
    rows = np.arange(first_row, first_row + len(references))
    return tracker.check(np.array(references, dtype=object), rows).tolist()


def agrees_with_a_dictionary(references: list[str], cuts: list[int]) -> DuplicateTracker:
    tracker, known, got = DuplicateTracker(), {}, []
    edges = [0, *sorted(min(cut, len(references)) for cut in cuts), len(references)]
    for low, high in pairwise(edges):
        got += check(tracker, references[low:high], low + 1)
    expected = []
    for row, reference in enumerate(references, start=1):
        expected.append(known.get(reference, 0))
        known.setdefault(reference, row)
    assert got == expected
    assert len(tracker) == len(known)
    return tracker


@given(
    references=st.lists(st.sampled_from("abcdefgh"), max_size=80),
    cuts=st.lists(st.integers(0, 80), max_size=6),
)
@settings(max_examples=100, deadline=None)
def test_the_tracker_agrees_with_a_dictionary(references: list[str], cuts: list[int]) -> None:
    agrees_with_a_dictionary(references, cuts)


@pytest.fixture
def soon_full(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A handful of references in memory, small blocks, and a filter that is often wrong."""
    monkeypatch.setattr(duplicates, "_IN_MEMORY", 7)
    monkeypatch.setattr(duplicates, "_BLOCK", 3)
    monkeypatch.setattr(duplicates, "_FILTER_BITS", 6)
    return monkeypatch


@pytest.mark.parametrize("many", [0, 2, 1_000])
def test_what_lies_in_the_file_is_found_again(soon_full: pytest.MonkeyPatch, many: int) -> None:
    soon_full.setattr(duplicates, "_MANY", many)

    @given(
        references=st.lists(st.integers(0, 60).map(str), min_size=30, max_size=120),
        cuts=st.lists(st.integers(0, 120), max_size=12),
    )
    @settings(max_examples=150, deadline=None)
    def property_(references: list[str], cuts: list[int]) -> None:
        tracker = agrees_with_a_dictionary(references, cuts)
        assert (tracker._file is not None) == (len(tracker) >= 7)

    property_()


def test_memory_does_not_grow_with_the_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_IN_MEMORY", 10_000)
    monkeypatch.setattr(duplicates, "_FILTER_BITS", 22)

    def peak(count: int) -> int:
        tracker = DuplicateTracker()
        tracemalloc.start()
        for begin in range(0, count, 5_000):
            assert not any(check(tracker, [f"H{each}" for each in range(begin, begin + 5_000)]))
        assert any(check(tracker, ["H0"], count))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(200_000) < 1.1 * peak(40_000)


def test_the_file_is_gone_with_the_tracker(soon_full: pytest.MonkeyPatch, tmp_path: Path) -> None:
    soon_full.setattr(tempfile, "tempdir", str(tmp_path))
    tracker = DuplicateTracker()
    check(tracker, [str(each) for each in range(20)])
    file: Any = tracker._file._file  # type: ignore[union-attr]
    assert not file.closed
    del tracker
    gc.collect()
    assert file.closed
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_the_file_is_one_clear_message(
    soon_full: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    soon_full.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(UnavailableError, match="set TMPDIR to a folder with more"):
        check(DuplicateTracker(), [str(each) for each in range(20)])
