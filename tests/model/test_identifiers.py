"""`beam.model.identifiers`: the formats of the fleet's identifiers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.model.identifiers import RANDOM_BYTES, IdentifierKind, identifier, request_id, task_run_id

FORMATS = {
    "session": r"session_[0-9a-f]{32}",
    "forked_session": r"sess_[0-9a-f]{16}",
    "share": r"share_[0-9a-f]{16}",
    "thread": r"thread_[0-9a-f]{16}",
    "run": r"run_[0-9a-f]{16}",
    "step": r"step_[0-9a-f]{16}",
    "event": r"evt_[0-9a-f]{32}",
    "memory": r"memory_[0-9a-f]{16}",
    "artifact": r"artifact_[0-9a-f]{16}",
    "routine": r"routine_[0-9a-f]{16}",
}


def test_every_kind_has_its_format() -> None:
    assert FORMATS.keys() == RANDOM_BYTES.keys()


@pytest.mark.parametrize("kind", RANDOM_BYTES)
def test_an_identifier_is_a_prefix_and_the_random_bytes(kind: IdentifierKind) -> None:
    random = bytes(range(RANDOM_BYTES[kind]))
    made = identifier(kind, random)
    assert re.fullmatch(FORMATS[kind], made)
    assert made.endswith(random.hex())


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8))
def test_different_bytes_make_different_identifiers(one: bytes, other: bytes) -> None:
    assert (identifier("run", one) == identifier("run", other)) == (one == other)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="session") as refused:
        identifier("planet", bytes(8))  # type: ignore[arg-type] # what is tested
    assert refused.value.field == "kind"


@pytest.mark.parametrize("size", [0, 7, 9, 16])
def test_too_few_or_too_many_bytes_are_refused(size: int) -> None:
    with pytest.raises(InvalidInput, match="8 bytes"):
        identifier("run", bytes(size))


def test_a_request_is_numbered() -> None:
    assert request_id(12, b"\x01\x02\x03\x04") == "req_12_01020304"


def test_a_request_number_below_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="counter"):
        request_id(0, bytes(4))


def test_a_task_run_names_its_task_without_slashes() -> None:
    assert task_run_id("a/b/c", 2, bytes(6)) == "run_task_a_b_c_2_000000000000"


def test_a_task_run_attempt_below_one_is_refused() -> None:
    with pytest.raises(InvalidInput, match="attempt"):
        task_run_id("a", 0, bytes(6))
