"""`beam.providers.sse`: server-sent events, however they are cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import ProviderFailed
from beam.providers import sse
from beam.providers.sse import Frames

STREAM = (
    b": a comment\r\n"
    b"event: message\r\n"
    b'data: {"type": "one"}\r\n'
    b"\r\n"
    b'data: {"type":\n'
    b'data:"two"}\n'
    b"id: 7\n"
    b"\n"
    b"data: not json\n\n"
    b"\n"
    b"event: nothing\n\n"
    b'data: {"type": "three"}\n\n'
)
SAID = [{"type": "one"}, {"type": "two"}, {"type": "three"}]


def test_check_59_frames_end_at_an_empty_line_and_bad_ones_are_dropped():
    frames = Frames()
    assert frames.feed(STREAM) == SAID
    assert frames.dropped == 1


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_check_59_it_makes_no_difference_how_the_bytes_are_cut(cuts):
    frames, at, said = Frames(), 0, []
    for cut in [*sorted(cuts), len(STREAM)]:
        said += frames.feed(STREAM[at:cut])
        at = max(at, cut)
    assert said == SAID


def test_what_has_no_end_says_nothing():
    assert Frames().feed(b'data: {"type": "half"}\n') == []


@given(st.binary(max_size=300))
def test_any_bytes_are_taken(data):
    frames = Frames()
    frames.feed(data + b"\n\n")
    said = frames.feed(b"data: " + json.dumps({"a": 1}).encode() + b"\n\n")
    assert said == [{"a": 1}]


def test_a_frame_has_a_greatest_length(monkeypatch):
    monkeypatch.setattr(sse, "MAX_FRAME", 100)
    frames = Frames()
    frames.feed(b"data: " + b"x" * 60 + b"\n")
    with pytest.raises(ProviderFailed, match="stream_frame_too_long"):
        frames.feed(b"data: " + b"x" * 60)
