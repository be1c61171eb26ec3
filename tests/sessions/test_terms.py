"""`beam.sessions.terms`: what a run may be submitted with; everything else is refused by name."""

from __future__ import annotations

import math

import pytest

from beam.errors import InvalidInput
from beam.sessions.options import SessionOptions
from beam.sessions.terms import PROMPT_BYTES, work_of


def work(prompt="Hello", options=None, **terms):
    return work_of("run_1", prompt, terms, options or SessionOptions())


def test_what_the_caller_does_not_say_the_session_has_said():
    options = SessionOptions(timeout=7.0, on_crash="retry", retries=3)
    assert (work(options=options).timeout, work(options=options).retries) == (7.0, 3)
    mine = work(options=options, timeout=None, on_crash="interrupt", retries=None)
    assert (mine.timeout, mine.on_crash, mine.retries) == (None, "interrupt", None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 0),
        ("timeout", math.inf),
        ("timeout", "x"),
        ("on_crash", "x"),
        ("retries", -1),
        ("params", "abc"),
        ("params", []),
        ("params", 0),
        ("params", {"x": object}),
        ("metadata", {"x": {1, 2}}),
        ("metadata", {1: 2}),
    ],
    ids=repr,
)
def test_a_term_that_is_not_what_it_must_be_is_refused_by_its_name(name, value):
    with pytest.raises(InvalidInput) as refused:
        work(**{name: value})
    assert refused.value.field == name


@pytest.mark.parametrize("prompt", [None, 3, b"Hello", ["Hello"]], ids=repr)
def test_a_prompt_is_text(prompt):
    with pytest.raises(InvalidInput) as refused:
        work(prompt)
    assert refused.value.field == "prompt"


def test_a_prompt_may_be_as_long_as_the_log_can_hold_with_all_that_goes_with_it():
    with pytest.raises(InvalidInput) as refused:
        work("x" * PROMPT_BYTES)
    assert refused.value.field == "prompt"
    assert len(str(refused.value)) < 300
    with pytest.raises(InvalidInput):
        work("x", metadata={"notes": "x" * PROMPT_BYTES})
    assert len(work("x" * (PROMPT_BYTES - 1000)).prompt) == PROMPT_BYTES - 1000


def test_an_unknown_term_is_refused_with_those_that_there_are():
    with pytest.raises(InvalidInput) as refused:
        work(timeuot=3)
    assert (refused.value.field, refused.value.value) == ("option", "timeuot")
    assert "timeout" in refused.value.expected


def test_odd_text_is_text():
    odd = "\x00 \ud800 \u2028 é"
    assert work(odd, metadata={"of": odd}).prompt == odd
