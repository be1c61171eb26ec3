"""What a program writes that is a message, and what becomes of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.backends.agent_lines import Bad
from beam.backends.agent_objects import MAX_NOISE, Objects, line_of, parsed
from beam.errors import PortError


class Said:
    """A wire that has these lines, and a talk that is told of violations."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = list(lines)
        self.violations: list[Any] = []

    async def readline(self) -> bytes:
        return self.lines.pop(0) if self.lines else b""

    def masked(self, text: str) -> str:
        return text.replace("hunter2", "***")

    def violated(self, violation: Any) -> None:
        self.violations.append(violation)


def reading(said: Said) -> Objects:
    whole: Any = said
    return Objects(whole, whole)


def read(objects: Objects, count: int) -> list[Any]:
    async def go() -> list[Any]:
        return [await objects.read() for _ in range(count)]

    return asyncio.run(go())


def test_notes_between_messages_are_left_out_and_reported_without_secrets() -> None:
    said = Said([b"key hunter2", b'{"a": 1}', b'{"half', b"[1]", b"\xff", b'{"b": 2}'])
    assert read(reading(said), 3) == [{"a": 1}, {"b": 2}, None]
    assert [each.reason for each in said.violations] == [
        "not_json",
        "not_json",
        "not_an_object",
        "not_json",
    ]
    assert [each.fatal for each in said.violations] == [False] * 4
    assert said.violations[0].excerpt == "key ***"


def test_more_of_them_than_a_turn_may_have_are_the_end() -> None:
    said = Said([b"{"] * (MAX_NOISE + 1) + [b'{"a": 1}'])
    with pytest.raises(PortError, match=f"more than {MAX_NOISE} lines"):
        read(reading(said), 1)
    assert [each.fatal for each in said.violations] == [False] * MAX_NOISE + [True]


def test_each_turn_may_have_as_many() -> None:
    said = Said(([b"{"] * MAX_NOISE + [b'{"a": 1}']) * 2)
    objects = reading(said)
    for _ in range(2):
        objects.begin()
        assert read(objects, 1) == [{"a": 1}]


def test_a_lone_surrogate_becomes_a_character_that_every_file_takes() -> None:
    assert parsed(rb'{"a": "\ud800"}') == {"a": "�"}


def test_what_is_nested_too_deep_is_no_message() -> None:
    for deep in (
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' + b"[" * 200 + b'"\\ud800"' + b"]" * 200 + b"}",
    ):
        assert isinstance(parsed(deep), Bad)


@given(st.binary())
def test_no_bytes_raise(line: bytes) -> None:
    assert isinstance(parsed(line), dict | Bad)


def test_what_is_written_has_no_lone_surrogate() -> None:
    told = {"text": ["a\ud83d", {"b\udc00": 1}], "whole": "\U0001f600", "escape": "\\ud83d"}
    line = line_of(told)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    known = {"text": ["a\ufffd", {"b\ufffd": 1}], "whole": "\U0001f600", "escape": "\\ud83d"}
    assert parsed(line) == known
