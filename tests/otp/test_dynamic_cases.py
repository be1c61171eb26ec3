"""Named cases of Elixir's own tests of `DynamicSupervisor` that no other test of ours holds whole.

docs/otp-cases.md says which test holds which case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import SupervisorRefused
from beam.otp import DynamicSupervisor, Ref, Server, child, exit, ignore
from beam.testing import settle
from tests.otp.kids import TIMEOUT, Diary, Kid, kid, kill

if TYPE_CHECKING:
    pass

# Enough for a restart that is tried again without end while the test looks on.
PATIENT = 10_000_000


class Own(Kid):
    """Ends with a reason of its own when it is told to end."""

    def init(self, diary: Ref[Any], called: Any, reason: Any) -> Any:
        self.reason = reason
        return super().init(diary, called)

    def terminate(self, reason: Any) -> None:
        super().terminate(reason)
        exit(self.reason)


def refused(function: Any, *args: Any) -> Any:
    with pytest.raises(SupervisorRefused) as caught:
        function(*args)
    return caught.value.reason


def starts_once(diary: Diary, then: Any) -> Any:
    """Return a start function that starts a child the first time, and then does as it is told."""
    before: list[bool] = []

    def start() -> Any:
        if not before:
            before.append(True)
            return Kid.start_link(diary.ref, "a")
        return then()

    return child(start)


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("reason", ["shutdown", ("shutdown", "signal"), "whatever"])
def test_a_child_is_restarted_as_its_restart_says_whatever_others_do(
    diary: Diary, restart: Any, reason: Any
) -> None:
    pool = DynamicSupervisor.start()
    other = pool.start_child(kid(diary, "other"))
    pool.start_child(kid(diary, "a", restart=restart)).proxy().leave(reason).get()
    settle(diary.node)
    again = restart == "permanent" or (restart == "transient" and reason == "whatever")
    assert pool.count_children() == (1 + again, 1 + again, 0, 1 + again)
    assert other.is_alive()


@pytest.mark.parametrize(
    ("what", "left"),
    [("ref", (1, 1, 0, 1)), ("more", (1, 1, 0, 1)), ("ignore", (0, 0, 0, 0))],
)
def test_a_restart_may_turn_out_otherwise_than_the_start(
    diary: Diary, what: str, left: Any
) -> None:
    def again() -> Any:
        if what == "ignore":
            return ignore
        ref = Kid.start_link(diary.ref, "again")
        return (ref, "more") if what == "more" else ref

    pool = DynamicSupervisor.start()
    kill(pool.start_child(starts_once(diary, again)))
    settle(diary.node)
    assert pool.count_children() == left


@pytest.mark.parametrize("what", ["error", "nonsense"])
def test_a_child_whose_restart_fails_and_fails_is_restarting_and_takes_its_place(
    diary: Diary, what: str
) -> None:
    def again() -> Any:
        if what == "error":
            raise LookupError
        return what

    pool = DynamicSupervisor.start(max_restarts=PATIENT, max_children=1)
    process = pool.start_child(starts_once(diary, again))
    kill(process)
    assert pool.count_children() == (1, 0, 0, 1)
    assert [line.process for line in pool.which_children()] == ["restarting"]
    assert refused(pool.start_child, kid(diary, "b")) == "max_children"
    pool.terminate_child(process)
    assert refused(pool.terminate_child, process) == "not_found"
    assert pool.count_children() == (0, 0, 0, 0)
    assert pool.start_child(kid(diary, "b")).is_alive()


def test_extra_arguments_come_with_a_restart_too() -> None:
    class Job(Server):
        def init(self, *args: Any) -> None:
            self.args = args

    with DynamicSupervisor.start(extra_arguments=("shared",)) as pool:
        kill(pool.start_child(child(Job, 1)))
        settle()
        (line,) = pool.which_children()
        assert line.process.proxy().args.get() == ("shared", 1)


@pytest.mark.parametrize("shutdown", [TIMEOUT, None])
@pytest.mark.parametrize("reason", [("shutdown", "oops"), "normal", "other"])
def test_children_that_end_with_reasons_of_their_own_do_not_disturb_the_end(
    diary: Diary, reason: Any, shutdown: Any
) -> None:
    pool = DynamicSupervisor.start()
    spec = child(Own, diary.ref, "a", reason, shutdown=shutdown)
    children = [pool.start_child(spec) for _ in range(3)]
    pool.stop(reason="shutdown")
    assert pool.exit_reason == "shutdown"
    assert [process.exit_reason for process in children] == [reason] * 3


@pytest.mark.parametrize(("shutdown", "reason"), [("brutal", "killed"), (TIMEOUT, "shutdown")])
def test_a_child_that_is_ended_is_gone_when_that_returns(
    diary: Diary, shutdown: Any, reason: str
) -> None:
    pool = DynamicSupervisor.start()
    process = pool.start_child(kid(diary, "a", shutdown=shutdown))
    pool.terminate_child(process)
    assert process.exit_reason == reason
    assert refused(pool.terminate_child, process) == "not_found"
    assert pool.count_children() == (0, 0, 0, 0)
