"""`beam.routing.health`: which of two words counts."""

import itertools

import pytest

from beam.routing.health import HEALTH_STATUSES, usable, worst


@pytest.mark.parametrize(("one", "other"), list(itertools.product(HEALTH_STATUSES, repeat=2)))
def test_the_worse_of_two_words_counts_in_either_order(one, other):
    expected = max(one, other, key=HEALTH_STATUSES.index)
    assert worst({"claude": one}, {"claude": other}) == {"claude": expected}


def test_reports_about_different_backends_stand_side_by_side():
    assert worst({"claude": "down"}, {}, {"codex": "healthy"}) == {
        "claude": "down",
        "codex": "healthy",
    }


def test_the_unhealthy_and_the_down_are_not_usable():
    assert [status for status in HEALTH_STATUSES if usable(status)] == ["healthy", "degraded"]
