"""Pykka's own tests, with `beam.otp` as the runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pykka.outcomes import HERE, PAGE, listed, run

if TYPE_CHECKING:
    from pathlib import Path


def test_pykkas_tests_pass_but_for_those_that_the_page_lists(tmp_path: Path) -> None:
    passed = run(tmp_path / "outcomes.json")
    assert len(passed) > 100
    assert sorted(test for test, good in passed.items() if not good) == sorted(listed())


def test_each_reason_of_the_list_is_a_section_of_the_page() -> None:
    sections = {
        line.removeprefix("### ")
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("### ")
    }
    assert set(listed().values()) <= sections


@pytest.mark.parametrize("test", sorted(listed()))
def test_a_listed_test_is_one_of_pykkas(test: str) -> None:
    file, _, name = test.partition("::")
    source = (HERE / "vendored" / "tests" / file).read_text("utf-8")
    assert f"def {name.partition('[')[0]}(" in source
