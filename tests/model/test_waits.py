"""When it may be tried again, from what providers say (`beam.model.waits`)."""

from __future__ import annotations

from typing import Any

import pytest

from beam.model.waits import When, of_facts, of_headers, of_limits, of_words

NINE = {"date": "Sat, 28 Nov 2026 09:00:00 GMT"}
TEN = 1_795_860_000.0
HOUR = 3600.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("retry in 23s", 23),
        ("Retrying in 5 seconds (attempt 2 of 10)", 5),
        ("Please try again in 1m30s.", 90),
        ("Please wait, and try again in 5 minutes", 300),
        ("retry after 20 minutes", 1200),
        ("try again in 3 hours and 5 minutes", 3 * HOUR + 300),
        ("try again in 250ms", 0.25),
        ("Please retry in 12.5s", 12.5),
        ("Your quota will reset after 2h", 2 * HOUR),
        ('{"retryDelay": "34s"}', 34),
        ('{"retryAfter": 7}', 7),
        ("retry-after: 20", 20),
        ('{"resets_in_seconds": 900}', 900),
        ("at most 100 requests in 1 minute", None),
        ("please try again later", None),
        ("try again in 20 tokens", None),
        ("resets 3pm", None),
        ("retried 5 times (total retry wait time: 11.14 seconds) Last error: 429", None),
        ("total wait 11 s; retry after 20 minutes", 1200),
    ],
)
def test_a_wait_is_read_in_the_units_in_which_it_is_told(text: str, seconds: float | None) -> None:
    assert of_words(text).after == seconds


@pytest.mark.parametrize(
    "text",
    ["limit reached|1795860000", '{"resets_at": 1795860000}', "resets at 2026-11-28T10:00:00Z"],
)
def test_a_moment_is_read_in_the_shapes_in_which_it_is_told(text: str) -> None:
    assert of_words(text).until == TEN


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Sat, 28 Nov 2026 10:00:00 GMT", **NINE}, HOUR),
        ({"retry-after": "Sat, 28 Nov 2026 08:00:00 GMT", **NINE}, 0),
        ({"retry-after": "Sat, 28 Nov 2026 10:00:00 GMT"}, None),
        ({"retry-after": "-7"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_a_header_tells_a_wait(headers: dict[str, str], after: float | None) -> None:
    assert of_headers(headers).after == after


def test_a_date_and_a_wait_are_one_thing_by_the_date_of_the_answer() -> None:
    whole = When(HOUR, TEN)
    assert of_headers({"retry-after": "3600", **NINE}) == whole
    assert of_headers({"retry-after": "Sat, 28 Nov 2026 10:00:00 GMT", **NINE}) == whole


@pytest.mark.parametrize(
    ("headers", "when"),
    [
        ({"x-ratelimit-reset-requests": "6m0s"}, When(360.0)),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-remaining-requests": "9"}, When()),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "20ms"}, When(360.0)),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-28T10:00:00Z"}, When(None, TEN)),
        ({"anthropic-ratelimit-tokens-reset": "2026-11-28T10:00:00Z", **NINE}, When(HOUR, TEN)),
        ({"anthropic-ratelimit-unified-reset": "1795860000"}, When(None, TEN)),
        ({"x-ratelimit-reset": "1795860000"}, When(None, TEN)),
        ({"x-ratelimit-reset": "1795860000000"}, When(None, TEN)),
        ({"x-ratelimit-reset": "30"}, When(30.0)),
        ({"x-ratelimit-limit": "30"}, When()),
    ],
)
def test_the_limits_that_are_used_up_tell_when_they_start_anew(
    headers: dict[str, str], when: When
) -> None:
    assert of_limits(headers) == when


@pytest.mark.parametrize(
    ("facts", "when"),
    [
        ({"retryAfter": 7}, When(7.0)),
        ({"retry_after": "1m"}, When(60.0)),
        ({"retryAfterMs": 250}, When(0.25)),
        ({"resetsAt": 1_795_860_000}, When(None, TEN)),
        ({"retryAfter": True, "resetsAt": None}, When()),
        ({}, When()),
    ],
)
def test_an_errors_data_tells_when(facts: dict[str, Any], when: When) -> None:
    assert of_facts(facts) == when
