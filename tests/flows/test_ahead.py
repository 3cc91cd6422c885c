"""One item is made ready while the one before it is used."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from service.flows.ahead import ahead


def test_the_items_come_in_their_order() -> None:
    for count in (100, 1, 0):
        with ahead(range(count)) as items:
            assert list(items) == list(range(count))


def test_the_next_is_taken_while_the_last_is_used_and_none_beyond() -> None:
    taken: list[int] = []
    reached = threading.Semaphore(0)

    def source() -> Iterator[int]:
        for number in range(5):
            taken.append(number)
            reached.release()
            yield number

    with ahead(source()) as items:
        for number in items:
            # the first is asked for before the loop, the others while it runs
            for _ in range(2 if number == 0 else number < 4):
                assert reached.acquire(timeout=5)
            assert taken == list(range(min(number + 2, 5)))


def test_an_error_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with ahead(source()) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)


def test_the_thread_has_ended_when_the_caller_goes_on() -> None:
    working = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        working.set()
        time.sleep(0.1)
        working.clear()
        yield 2

    def give_up() -> None:
        with ahead(source()) as items:
            assert next(items) == 1
            assert working.wait(5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        give_up()
    assert not working.is_set()
