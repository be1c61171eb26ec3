"""Named cases of OTP's own tests of `supervisor` that no other test of ours holds whole.

docs/otp-cases.md says which test holds which case.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import SupervisorRefused
from beam.otp import Ref, Supervisor, child, exit, supervisor
from beam.testing import settle
from tests.otp.kids import TIMEOUT, Diary, Kid, crash, kid, kill

if TYPE_CHECKING:
    pass

# It holds threads up, or starts some.
on_threads = pytest.mark.schedulers("pool")

STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one"]
RESTARTS = ["temporary", "transient", "permanent"]
REASONS = ["normal", "shutdown", ("shutdown", "tired"), "other"]

strategies = pytest.mark.parametrize("strategy", STRATEGIES)


class Own(Kid):
    """Ends with a reason of its own when it is told to end."""

    def init(self, diary: Ref[Any], called: Any, reason: Any) -> Any:
        self.reason = reason
        return super().init(diary, called)

    def terminate(self, reason: Any) -> None:
        super().terminate(reason)
        exit(self.reason)


class Slow(Kid):
    """Ends when the test lets it."""

    def init(self, diary: Ref[Any], called: Any, gate: threading.Event) -> Any:
        self.gate = gate
        return super().init(diary, called)

    def terminate(self, reason: Any) -> None:
        super().terminate(reason)
        assert self.gate.wait(TIMEOUT)


def running(tree: Any) -> dict[Any, Any]:
    return {line.id: line.process for line in tree.which_children()}


@strategies
@pytest.mark.parametrize("failing", ["first", "second"])
def test_a_child_that_cannot_be_restarted_ends_the_supervisor_and_its_siblings(
    diary: Diary, strategy: Any, failing: str
) -> None:
    children = [
        kid(diary, name, ["ok"] + ["refuse"] * 9 if name == failing else None)
        for name in ("first", "second")
    ]
    tree = Supervisor.start(children, strategy=strategy, max_restarts=4)
    processes = running(tree)
    diary.watch("tree", tree)
    crash(processes[failing if strategy == "one_for_one" else "first"])
    settle(diary.node)
    assert [each for each in diary.rest() if each[0] == "end"] == [("end", "tree", "shutdown")]
    assert not any(process.is_alive() for process in processes.values())


@strategies
@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
def test_a_significant_child_that_falls_with_a_sibling_ends_nobody(
    diary: Diary, strategy: Any, auto_shutdown: Any
) -> None:
    children = [
        kid(diary, "a", restart="transient", significant=True),
        kid(diary, "b", restart="transient"),
        kid(diary, "c", restart="transient", significant=True),
    ]
    tree = Supervisor.start(children, strategy=strategy, auto_shutdown=auto_shutdown)
    before = running(tree)
    kill(before["b"])
    settle(diary.node)
    after = running(tree)
    fallen = {"one_for_one": "b", "one_for_all": "abc", "rest_for_one": "bc"}[strategy]
    assert [name for name in "abc" if after[name] is not before[name]] == list(fallen)
    assert tree.count_children().active == 3


@pytest.mark.parametrize("auto_shutdown", ["never", "any_significant", "all_significant"])
@pytest.mark.parametrize("restart", ["temporary", "transient"])
def test_a_child_that_is_not_significant_ends_nobody_however_it_ends(
    diary: Diary, restart: Any, auto_shutdown: Any
) -> None:
    tree = Supervisor.start(auto_shutdown=auto_shutdown, max_restarts=5)
    spec = kid(diary, "a", restart=restart)

    def there() -> Any:
        settle(diary.node)
        process = running(tree).get("a")
        if process is None and "a" in running(tree):
            return tree.restart_child("a")
        return process if process is not None else tree.start_child(spec)

    there()
    tree.terminate_child("a")
    kill(there())
    crash(there())
    there().proxy().leave("normal").get()
    assert there().is_alive()
    assert tree.is_alive()


@on_threads
def test_children_that_end_by_themselves_while_the_supervisor_ends_do_not_disturb_it(
    diary: Diary,
) -> None:
    gate = threading.Event()
    reasons = [(restart, reason) for restart in RESTARTS for reason in REASONS]
    leaving = [kid(diary, (number, *pair), restart=pair[0]) for number, pair in enumerate(reasons)]
    slow = kid(diary, "slow", gate, kind=Slow, restart="temporary", shutdown=TIMEOUT)
    tree = Supervisor.start([kid(diary, "first"), *leaving, slow])
    processes = running(tree)
    ended = tree.stop(block=False, reason="shutdown")
    while diary.next() != ("stop", "slow", "shutdown"):
        pass
    for spec in leaving:
        processes[spec.id].proxy().leave(spec.id[2])
    for spec in leaving:
        assert processes[spec.id].actor_stopped.wait(TIMEOUT)
    gate.set()
    assert ended.get(timeout=TIMEOUT) is True
    assert tree.exit_reason == "shutdown"
    assert all(processes[spec.id].exit_reason == spec.id[2] for spec in leaving)
    assert processes["first"].exit_reason == processes["slow"].exit_reason == "shutdown"


@pytest.mark.parametrize("restart", RESTARTS)
def test_dynamic_children_that_end_with_reasons_of_their_own_do_not_disturb_the_end(
    diary: Diary, restart: Any
) -> None:
    tree = Supervisor.start([child(Own, diary.ref, restart=restart)], strategy="simple_one_for_one")
    children = {reason: tree.start_child(str(reason), reason) for reason in REASONS}
    tree.stop(reason="shutdown")
    assert tree.exit_reason == "shutdown"
    assert {reason: process.exit_reason for reason, process in children.items()} == {
        reason: reason for reason in REASONS
    }


@strategies
@pytest.mark.parametrize("how", ["kill", "normal", "abnormal", "by hand"])
@pytest.mark.parametrize("restart", RESTARTS)
def test_a_specification_is_kept_unless_it_is_temporary(
    diary: Diary, strategy: Any, restart: Any, how: str
) -> None:
    tree = Supervisor.start(strategy=strategy, max_restarts=2)
    spec = kid(diary, "a", restart=restart)
    process = tree.start_child(spec)
    match how:
        case "kill":
            kill(process)
        case "normal":
            process.proxy().leave("normal").get()
        case "abnormal":
            crash(process)
        case "by hand":
            tree.terminate_child("a")
    settle(diary.node)
    if restart == "temporary":
        assert tree.start_child(spec).is_alive()
        return
    with pytest.raises(SupervisorRefused) as caught:
        tree.start_child(spec)
    if how == "by hand" or (restart, how) == ("transient", "normal"):
        assert caught.value.reason == "already_present"
        assert tree.restart_child("a").is_alive()
    else:
        assert caught.value.reason == ("already_started", running(tree)["a"])


def test_what_a_start_function_tells_besides_comes_with_every_start_by_hand(diary: Diary) -> None:
    def start() -> tuple[Ref[Kid], str]:
        return Kid.start_link(diary.ref, "a"), "more"

    tree = Supervisor.start([child(start, id="a")])
    first = running(tree)["a"]
    tree.terminate_child("a")
    second, info = tree.restart_child("a")
    assert (second is not first, info) == (True, "more")
    crash(second)
    settle(diary.node)
    assert running(tree)["a"] not in (first, second, None)


def test_a_supervisor_that_is_restarted_has_its_own_children_again_and_no_later_ones(
    diary: Diary,
) -> None:
    tree = Supervisor.start(
        [
            supervisor([kid(diary, 1), kid(diary, 2)], id="one", max_restarts=4),
            supervisor([], id="two", max_restarts=1),
            supervisor([], id="three", restart="transient"),
        ],
        strategy="one_for_all",
        max_restarts=4,
    )
    tree.terminate_child("three")
    two = running(tree)["two"]
    third = two.start_child(kid(diary, 3, ["ok"] + ["refuse"] * 9))
    two.start_child(kid(diary, 4))
    before = running(running(tree)["one"])
    crash(third)
    settle(diary.node)
    assert not two.is_alive()
    after = {name: process.count_children() for name, process in running(tree).items()}
    assert after == {"one": (2, 2, 0, 2), "two": (0, 0, 0, 0), "three": (0, 0, 0, 0)}
    assert not set(running(running(tree)["one"]).values()) & set(before.values())
