"""`beam.routing.breaker`: the breaker as a value, state by state, and against a plain model."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput, RoutingRefused
from beam.routing import Breaker, BreakerOptions, Breakers


def opened(threshold=2, at=0.0, **options):
    breaker = Breaker(BreakerOptions(failure_threshold=threshold, **options))
    for _ in range(threshold):
        breaker = breaker.failed(at)
    return breaker


def test_r21_a_new_breaker_is_closed_and_lets_pass():
    breaker = Breaker()
    assert breaker.state(0.0) == "closed"
    assert breaker.try_acquire(0.0) == (breaker, None)
    assert breaker.health(0.0) == "healthy"


def test_r22_a_success_counts_failures_from_zero():
    breaker = Breaker(BreakerOptions(failure_threshold=3)).failed(0.0).failed(1.0).succeeded()
    assert (breaker.state(2.0), breaker.failures) == ("closed", 0)
    assert breaker.failed(2.0).failed(3.0).state(4.0) == "closed"


def test_five_failures_in_a_row_open_it_unless_said_otherwise():
    breaker = Breaker()
    states = []
    for second in range(5):
        breaker = breaker.failed(float(second))
        states.append(breaker.state(float(second)))
    assert states == ["closed"] * 4 + ["open"]


def test_r23_an_open_breaker_lets_nothing_pass_within_the_cooldown():
    breaker = opened()
    assert breaker.state(29.9) == "open"
    assert breaker.health(29.9) == "down"
    with pytest.raises(RoutingRefused) as refused:
        breaker.try_acquire(29.9)
    assert (refused.value.reason, refused.value.state) == ("breaker_refuses", "open")


def test_r24_after_the_cooldown_it_is_half_open_and_lets_a_probe_pass():
    breaker = opened()
    assert breaker.state(30.0) == "half_open"
    assert breaker.health(30.0) == "healthy"
    breaker, probe = breaker.try_acquire(30.0)
    assert probe == 1
    assert not breaker.allows(30.0)
    assert breaker.health(30.0) == "unhealthy"


def test_r25_a_success_closes_a_half_open_breaker():
    breaker = opened().try_acquire(30.0)[0].succeeded()
    assert (breaker.state(31.0), breaker.failures, breaker.allows(31.0)) == ("closed", 0, True)


def test_r25_one_failure_opens_a_half_open_breaker_again():
    breaker = opened(threshold=5).try_acquire(30.0)[0].failed(31.0)
    assert breaker.state(60.9) == "open"
    assert breaker.state(61.0) == "half_open"
    assert breaker.allows(61.0)


def test_r26_asking_changes_nothing():
    closed, open_ = Breaker(), opened()
    for breaker in (closed, open_):
        before = repr(breaker)
        breaker.state(99.0)
        breaker.allows(99.0)
        breaker.health(99.0)
        breaker.summary(99.0)
        assert repr(breaker) == before


def test_r33_exactly_so_many_probes_pass_as_there_may_be():
    breaker = opened(half_open_probes=3)
    passed = 0
    for _ in range(5):
        if breaker.allows(30.0):
            breaker, _ = breaker.try_acquire(30.0)
            passed += 1
    assert passed == 3


def test_a_failure_while_open_starts_the_cooldown_again():
    assert opened().failed(20.0).state(49.9) == "open"


def test_a_late_success_closes_an_open_breaker():
    assert opened().succeeded() == Breaker(BreakerOptions(failure_threshold=2))


def test_a_released_probe_is_free_again():
    breaker, probe = opened().try_acquire(30.0)
    assert breaker.released(probe).allows(30.0)


def test_what_was_no_probe_frees_none():
    breaker, probe = opened().try_acquire(30.0)
    assert probe is not None
    assert not breaker.released(None).allows(30.0)
    assert not breaker.released(probe + 1).allows(30.0)


def test_a_probe_without_a_report_is_given_up_after_its_lifetime():
    breaker, first = opened(probe_lifetime=120.0).try_acquire(30.0)
    assert not breaker.allows(149.9)
    breaker, second = breaker.try_acquire(150.0)
    assert first != second
    assert not breaker.allows(150.0)


def test_without_a_cooldown_it_is_half_open_at_once():
    breaker = opened(cooldown=0)
    assert breaker.state(0.0) == "half_open"


def test_the_summary_says_where_it_stands():
    breaker, _ = opened().try_acquire(30.0)
    assert breaker.summary(30.0) == {
        "state": "half_open",
        "failure_count": 2,
        "failure_threshold": 2,
        "cooldown": 30.0,
        "half_open_max_probes": 1,
        "half_open_probe_count": 1,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("failure_threshold", 0),
        ("failure_threshold", 2.5),
        ("failure_threshold", True),
        ("half_open_probes", -1),
        ("half_open_probes", "1"),
        ("cooldown", -0.1),
        ("cooldown", math.nan),
        ("cooldown", "30"),
        ("probe_lifetime", 0),
        ("probe_lifetime", None),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_by_name(field, value):
    with pytest.raises(InvalidInput) as refused:
        BreakerOptions(**{field: value})
    assert refused.value.field == field


class TestBreakers:
    def test_each_backend_has_its_own(self):
        breakers = Breakers(BreakerOptions(failure_threshold=1))
        breakers.failed("claude", now=0.0)
        assert breakers.health(now=1.0) == {"claude": "down"}
        assert breakers.of("codex").allows(1.0)

    def test_a_backend_that_is_well_is_not_mentioned(self):
        breakers = Breakers()
        breakers.failed("claude", now=0.0)
        assert breakers.health(now=1.0) == {}
        breakers.succeeded("claude")
        assert breakers.summary(now=1.0) == {}

    def test_a_probe_is_acquired_and_released(self):
        breakers = Breakers(BreakerOptions(failure_threshold=1))
        breakers.failed("claude", now=0.0)
        probe = breakers.acquire("claude", now=30.0)
        assert breakers.health(now=30.0) == {"claude": "unhealthy"}
        breakers.released("claude", probe)
        assert breakers.health(now=30.0) == {"claude": "healthy"}

    def test_one_passes_a_closed_breaker_without_a_trace(self):
        breakers = Breakers()
        assert breakers.acquire("claude", now=0.0) is None
        breakers.released("claude", None)
        assert breakers.summary(now=0.0) == {}

    def test_the_summary_is_by_backend(self):
        breakers = Breakers()
        breakers.failed("codex", now=0.0)
        breakers.failed("claude", now=0.0)
        assert list(breakers.summary(now=0.0)) == ["claude", "codex"]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["pass", "success", "failure", "release"]),
        st.floats(min_value=0.0, max_value=40.0),
    ),
    max_size=60,
)


@given(EVENTS, st.integers(1, 3), st.integers(1, 3))
def test_the_breaker_keeps_its_promises_on_any_history(events, threshold, probes):
    options = BreakerOptions(
        failure_threshold=threshold, cooldown=30.0, half_open_probes=probes, probe_lifetime=120.0
    )
    breaker, now, out = Breaker(options), 0.0, {}
    for event, later in events:
        now += later
        state = breaker.state(now)
        out = {number: left for number, left in out.items() if now - left < 120.0}
        if event == "pass":
            assert breaker.allows(now) == (
                state == "closed" or (state == "half_open" and len(out) < probes)
            )
            if breaker.allows(now):
                breaker, number = breaker.try_acquire(now)
                assert (number is None) == (state == "closed")
                if number is not None:
                    out[number] = now
        elif event == "success":
            breaker, out = breaker.succeeded(), {}
            assert breaker.state(now) == "closed"
        elif event == "failure":
            breaker = breaker.failed(now)
            if state != "closed" or breaker.failures >= threshold:
                out = {}
                assert breaker.state(now) == "open"
        elif out:
            number = next(iter(out))
            del out[number]
            breaker = breaker.released(number)
