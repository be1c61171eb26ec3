"""`beam.providers.provision_names`: check 95, for any name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.providers.provision_names import (
    ANY_TEXT,
    LETTERS,
    base_of,
    digest_of,
    fitted,
    fitted_base,
)

DIGEST = "9f86d081"
LIMITS = [(40, LETTERS), (256, ANY_TEXT)]


@pytest.mark.parametrize(("limit", "forbidden"), LIMITS)
@given(base=st.text(min_size=1, max_size=400))
def test_check_95_a_name_fits_and_has_its_whole_digest(limit, forbidden, base):
    name = fitted(base, DIGEST, limit, forbidden)
    assert len(name.encode()) <= limit
    assert name.endswith(f"_{DIGEST}")
    assert base_of(name) == fitted_base(base, limit, forbidden)
    if forbidden is LETTERS:
        assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]{0,39}", name)


@pytest.mark.parametrize(("limit", "forbidden"), LIMITS)
def test_check_95_long_names_with_one_beginning_stay_two(limit, forbidden):
    names = {fitted("x" * 300 + tail, DIGEST, limit, forbidden) for tail in ("", "a", "b", "ab")}
    assert len(names) == 4


@given(st.text(alphabet="aé漢😀", min_size=250, max_size=260))
def test_check_95_no_character_is_cut_in_two(base):
    assert "�" not in fitted(base, DIGEST, 256, ANY_TEXT)


@pytest.mark.parametrize("name", ["reviewer", "reviewer_9f86d0", "reviewer_9F86D081", "", None, 7])
def test_a_name_without_a_digest_has_no_base(name):
    assert base_of(name) is None


def test_a_digest_is_of_the_content_whatever_its_order():
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
    assert len(digest_of({"a": "\ud800"})) == 8
