"""The conformance suite, run against agents that obey it, and against one that cheats."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import psutil
import pytest

import beam
from beam.backends.command import command
from beam.errors import CallTimeout, RunFailed
from beam.testing import BackendConformance
from beam.testing.conformance import FEATURES
from tests.testing import broken, obedient_command
from tests.testing.obedient import CHARGES, Obedient, obey

if TYPE_CHECKING:
    from pathlib import Path

    from beam.backends.backend import Backend


class TestFunction(BackendConformance):
    """Of whose model nobody knows what it charges, and which knows no deadlines of silence."""

    lacks: ClassVar = {"program": "it runs in this process"}

    def backend(self) -> Backend:
        return beam.function(obey)

    def writes(self, path: Path) -> str:
        return f"[[write {path}]]"


class TestProgram(BackendConformance):
    charges = CHARGES
    silence = 0.8

    def backend(self) -> Backend:
        return Obedient()

    def writes(self, path: Path) -> str:
        return f"[[write {path}]]"


class TestCommand(BackendConformance):
    charges = obedient_command.CHARGES

    def backend(self) -> Backend:
        return command([sys.executable, obedient_command.__file__], interrupt_grace=0.5)

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


BROKEN = {
    broken.answers_twice: "test_messages_have_the_unified_form",
    broken.says_a_piece_twice: "test_messages_have_the_unified_form",
    broken.says_it_all_at_the_end: "test_an_answer_is_streamed",
    broken.answers_with_the_answer_before: "test_turns_are_answered_in_their_order",
    broken.forgets: "test_it_remembers_what_was_said",
    broken.answers_in_place_of_failing: "test_a_failure_is_never_taken_for_an_answer",
    broken.counts_twice: "test_tokens_are_told_in_disjoint_buckets",
    broken.counts_the_cache_as_input_too: "test_tokens_are_told_in_disjoint_buckets",
    broken.counts_reasoning_as_output: "test_tokens_are_told_in_disjoint_buckets",
    broken.tells_the_sum_of_all_turns: "test_tokens_are_told_in_disjoint_buckets",
    broken.tells_no_usage: "test_tokens_are_told_in_disjoint_buckets",
    broken.does_what_was_denied: "test_what_is_denied_is_not_done",
    broken.asks_nobody: "test_where_nobody_decides_nothing_is_done",
    broken.tells_a_call_without_its_result: "test_tool_uses_are_told_in_pairs",
    broken.tells_a_result_under_another_id: "test_tool_uses_are_told_in_pairs",
    broken.calls_without_the_session: "test_a_tool_of_the_session_is_called",
    broken.is_deaf_to_interrupts: "test_an_interrupt_ends_a_turn_and_the_session_goes_on",
    broken.calls_its_own_beat_a_sign_of_life: "test_an_agent_that_says_nothing_is_stalled",
    broken.swallows_what_it_is_told_in_a_turn: "test_steering_is_done_or_refused",
}
"""Who breaks which promise, and the test that sees it."""


class _Suspicious(BackendConformance):
    __test__ = False
    charges = CHARGES
    patience = 3.0
    silence = 0.4
    made: Any = None

    def backend(self) -> Backend:
        backend: Backend = type(self).made()
        return backend

    def writes(self, path: Path) -> str:
        return f"[[write {path}]]"


def suite_of(made: Any) -> _Suspicious:
    """Return a suite for what `made` makes."""
    return type("Suite", (_Suspicious,), {"made": staticmethod(made)})()


@pytest.mark.parametrize(
    ("made", "test"), BROKEN.items(), ids=lambda one: getattr(one, "__name__", one)
)
def test_a_backend_that_breaks_a_promise_is_found_out(made: Any, test: str) -> None:
    suite = suite_of(made)
    suite.setup_method()
    try:
        with pytest.raises((AssertionError, CallTimeout, RunFailed)):
            getattr(suite, test)()
    finally:
        suite.teardown_method()


def test_a_process_that_nobody_is_the_parent_of_is_found_where_it_was_left() -> None:
    suite = suite_of(broken.leaves_an_orphan)
    suite.setup_method()
    suite.test_it_answers()
    with pytest.raises(AssertionError, match=r"processes that are left.*sleep\(60\)") as found:
        suite.teardown_method()
    for pid in re.findall(r"'(\d+) ", str(found.value)):
        psutil.Process(int(pid)).kill()


def test_what_is_no_usage_is_found_out_by_who_does_not_know_what_a_model_charges() -> None:
    suite = suite_of(broken.tells_no_usage)
    suite.charges = None  # type: ignore[misc]
    suite.setup_method()
    try:
        with pytest.raises(AssertionError, match="usage"):
            suite.test_tokens_are_told_in_disjoint_buckets()
    finally:
        suite.teardown_method()
