"""Calls handed to an executor: few at once, again when workers die, refused by another release."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from geodata.calls import call, code_version, work_off
from geodata.errors import PlanError


def double(number: int) -> int:
    return 2 * number


def test_every_input_comes_back_with_its_key() -> None:
    inputs = [(f"{number}", number) for number in range(50)]
    expected = {key: 2 * number for key, number in inputs}
    assert dict(work_off(inputs, double, package="geodata")) == expected
    with ThreadPoolExecutor(3) as pool:
        found = work_off(iter(inputs), double, pool, package="geodata", in_flight=2)
        assert dict(found) == expected


def test_a_worker_of_another_release_is_refused() -> None:
    assert call(double, 2, "geodata", code_version("geodata")) == 4
    with pytest.raises(PlanError, match="another release of Gridward"):
        call(double, 2, "geodata", "another")


def test_the_release_of_a_package_is_that_of_all_its_code() -> None:
    assert code_version("geodata") != code_version("geodata.delineate")
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(code_version, "geodata").result() == code_version("geodata")
