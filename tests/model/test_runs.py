"""`beam.model.runs`: where a run stands and where it may go (G12)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput, Refused
from beam.model.records import from_record, to_record
from beam.model.runs import (
    ON_CRASH,
    RUN_STATUSES,
    RunInfo,
    RunStatus,
    is_final,
    may_follow,
    parse_on_crash,
)
from tests.model.strategies import run_infos
from tests.names import shown

LEGAL = {
    ("queued", "running"),
    ("queued", "failed"),
    ("queued", "interrupted"),
    ("running", "queued"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "interrupted"),
}


def run(**fields: Any) -> RunInfo:
    return RunInfo(
        **{"run_id": "run_1", "session_id": "s", "prompt": "p", "created_at": 1, **fields}
    )


def step(info: RunInfo, to: RunStatus, at: int) -> RunInfo:
    match to:
        case "running":
            return info.started(at=at)
        case "queued":
            return info.retried()
        case "completed":
            return info.completed("answer", at=at)
        case "failed":
            return info.failed("timeout", at=at)
        case "interrupted":
            return info.interrupted(at=at)


@pytest.mark.parametrize("current", RUN_STATUSES)
@pytest.mark.parametrize("requested", RUN_STATUSES)
def test_a_run_goes_only_where_it_may(current: RunStatus, requested: RunStatus) -> None:
    legal = (current, requested) in LEGAL
    assert may_follow(current, requested) is legal
    if legal:
        assert step(run(status=current), requested, 5).status == requested
        return
    with pytest.raises(Refused) as refused:
        step(run(status=current), requested, 5)
    assert refused.value.reason == "invalid_status_transition"
    assert refused.value.facts == {"run_id": "run_1", "current": current, "requested": requested}


@pytest.mark.parametrize("status", RUN_STATUSES)
def test_a_run_has_ended_when_nothing_may_follow(status: RunStatus) -> None:
    assert is_final(status) is (status in {"completed", "failed", "interrupted"})


@given(st.lists(st.sampled_from(RUN_STATUSES), max_size=12))
def test_a_run_ends_at_most_once_and_counts_its_attempts(steps: list[RunStatus]) -> None:
    info, started, ended = run(), 0, 0
    for at, requested in enumerate(steps, start=2):
        if not may_follow(info.status, requested):
            continue
        info = step(info, requested, at)
        started += requested == "running"
        ended += is_final(requested)
        assert (info.ended_at is not None) is is_final(info.status)
    assert ended <= 1
    assert info.attempts == started


def test_a_run_that_is_retried_keeps_its_attempts_and_ends_once() -> None:
    info = run(on_crash="retry").started(at=2).retried().started(at=4).completed("a", at=5)
    assert (info.attempts, info.started_at, info.ended_at, info.output) == (2, 4, 5, "a")


def test_a_step_leaves_the_run_before_it_alone() -> None:
    before = run()
    before.started(at=2)
    assert before == run()


def test_an_ended_run_says_why() -> None:
    assert run().started(at=2).failed(("cli_exit", 1), at=3).reason == ("cli_exit", 1)
    assert run().interrupted(at=3).reason == "interrupted"


@given(run_infos)
def test_a_run_comes_back_from_its_record_as_it_was(info: RunInfo) -> None:
    assert from_record(RunInfo, to_record(info)) == info


@pytest.mark.parametrize(
    "change",
    [{"status": "lost"}, {"on_crash": "ignore"}, {"attempts": "two"}, {"pid": 5}],
    ids=shown,
)
def test_a_record_that_is_no_run_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(change))):
        from_record(RunInfo, {**to_record(run()), **change})


@pytest.mark.parametrize("word", ON_CRASH)
def test_a_word_for_on_crash_is_taken(word: str) -> None:
    assert parse_on_crash(word) == word


@pytest.mark.parametrize("word", ["Retry", "", None, True, ["retry"]], ids=shown)
def test_another_word_for_on_crash_is_refused_with_the_known_ones(word: object) -> None:
    with pytest.raises(InvalidInput, match="'interrupt' or 'retry'") as refused:
        parse_on_crash(word)
    assert refused.value.field == "on_crash"
