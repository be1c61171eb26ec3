"""The conformance suite, run against agents that obey it, and against one that cheats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

import beam
from beam.testing import BackendConformance
from beam.testing.conformance import FEATURES
from tests.testing.obedient import Obedient, obey

if TYPE_CHECKING:
    from pathlib import Path

    from beam.backends.backend import Backend


class TestFunction(BackendConformance):
    lacks: ClassVar = {
        "usage": "a function has no tokens",
        "program": "it runs in this process",
    }

    def backend(self) -> Backend:
        return beam.function(obey)

    def writes(self, path: Path) -> str:
        return f"[[write {path}]]"


class TestProgram(BackendConformance):
    def backend(self) -> Backend:
        return Obedient()

    def writes(self, path: Path) -> str:
        return f"[[write {path}]]"


def test_each_feature_names_tests_that_there_are() -> None:
    named = {name for tests in FEATURES.values() for name in tests}
    assert named <= set(dir(BackendConformance))


def test_what_is_lacking_is_not_tested_and_must_be_known() -> None:
    class Lacking(BackendConformance):
        lacks: ClassVar = {"usage": "not told"}

    assert Lacking.test_tokens_are_told_in_disjoint_buckets is None
    with pytest.raises(TypeError, match="thoughts"):

        class Wrong(BackendConformance):
            lacks: ClassVar = {"thoughts": "none"}


def liar(prompt: str, query: Any) -> str:
    """Do whatever is asked without asking, and call every failure an answer."""
    obeyed = obey(prompt, _Careless())
    try:
        while True:
            next(obeyed)
    except StopIteration as answer:
        return str(answer.value)
    except Exception as error:  # noqa: BLE001 - that is the lie
        return f"error: {error}"


class _Careless:
    history = ()

    def ask_permission(self, *_: Any) -> Any:
        return beam.allow()


@pytest.mark.parametrize(
    "test",
    [
        "test_it_remembers_what_was_said",
        "test_what_is_denied_is_not_done",
        "test_where_nobody_decides_nothing_is_done",
        "test_a_handler_that_raises_allows_nothing",
        "test_a_failure_is_never_taken_for_an_answer",
        "test_tokens_are_told_in_disjoint_buckets",
        "test_a_tool_of_the_session_is_called",
    ],
)
def test_a_backend_that_cheats_is_found_out(test: str) -> None:
    class Liar(BackendConformance):
        patience = 10.0

        def backend(self) -> Backend:
            return beam.function(liar)

        def writes(self, path: Path) -> str:
            return f"[[write {path}]]"

    suite = Liar()
    suite.setup_method()
    try:
        with pytest.raises(AssertionError):
            getattr(suite, test)()
    finally:
        suite.teardown_method()
