"""Stopping everything within a time, and telling who would not stop.

OTP's order stays: children end one after the other, last started first, each before its supervisor.
What changes is how long each may take. A supervisor parts the seconds that it has among its
children, in proportion to what their own shutdown times ask for, and those of what is below them;
what one does not use is left for the others. Each may take an eighth of what is left, so that one
of many that needs a moment has it. When the time is over, what is left is killed, all at once.

    >>> part(10.0, 5.0, 5.0), part(10.0, 5.0, 15.0), part(8.0, 5.0, 1000.0)
    (5.0, 2.5, 1.0)

So it takes no longer than it may, and what killed processes have to come out of their handlers
(`KILL_GRACE`), once for all: those that hang do not add up.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from beam.errors import CallCycle, CallTimeout, InvalidInput
from beam.otp.context import here
from beam.otp.control import NOTHING
from beam.otp.future import Future
from beam.otp.mail import Stop
from beam.otp.shutdown import KILL_GRACE, Notes, await_death, death_of, end, end_together
from beam.otp.signals import send_exit
from beam.otp.stacks import stacks_of
from beam.otp.stop_report import StopReport, Straggler
from beam.otp.tree import supervises, survey_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from beam.otp.control import Control
    from beam.otp.node import Node
    from beam.otp.shutdown import Shutdown

__all__ = [
    "Budget",
    "StopReport",
    "Straggler",
    "Turns",
    "check_seconds",
    "end_at_once",
    "kill_the_rest",
    "part",
    "stop_node",
    "stop_tree",
    "turns_of",
]

# The least part of the time that is left which each may take.
LEAST = 1 / 8
# The part of its time that a supervisor gives to its children; the rest is for itself.
FOR_CHILDREN = 0.9
# Seconds that go without saying.
MOMENT = 0.001
# How many of those that took longest are named.
SLOWEST = 10


def part(left: float, want: float, others: float) -> float:
    """Return the seconds that the next one may take, of those that are left.

    Args:
        left: seconds.
        want: how many it asks for.
        others: how many those ask for that come after it.
    """
    fair = left if want + others <= left else left * want / (want + others)
    return min(want, max(fair, left * LEAST))


class Stopping:
    """A stop that goes on: what it may take, and what is noted of it.

    Args:
        node: where.
        members: the processes that are to end.
        seconds: how long it may take; infinity for one without a limit.
    """

    def __init__(self, node: Node, members: Sequence[Control], seconds: float) -> None:
        self.is_limited = seconds < math.inf
        self.notes = Notes()
        self._begun = node.clock.now()
        self.deadline = self._begun + seconds
        self.seconds = seconds
        self._node = node
        self._members = members
        self._took: list[tuple[float, Control]] = []

    def left(self) -> float:
        """Return the seconds that are left; below 0 when they are over."""
        return self.deadline - self._node.clock.now()

    def note_time(self, control: Control, seconds: float) -> None:
        """Note that the end of one was waited for."""
        if seconds >= MOMENT:
            self._took.append((seconds, control))

    def sweep(self, sender: Control, targets: Iterable[Control]) -> None:
        """Wait until those have ended that are ending; kill them when the time is over.

        They are what the supervisors did not wait for: what hung below one that was killed.
        """
        left = [one for one in targets if one.alive]
        for one in left:
            try:
                await_death(death_of(one), max(0.0, self.left()))
            except CallTimeout:
                break
        kill_at_once(sender, [one for one in left if one.alive], self.notes)

    def report(self) -> StopReport:
        """Return what has become of the members."""
        killed, given_up = self.notes.killed, self.notes.given_up
        stacks = stacks_of(given_up)
        ended = [one for one in self._members if not one.alive]
        slow = sorted(self._took, key=lambda pair: (-pair[0], pair[1].serial))
        return StopReport(
            within=self.seconds if self.is_limited else None,
            took=self._node.clock.now() - self._begun,
            ended=sum(1 for one in ended if one not in killed and one not in given_up),
            slowest=tuple((one.ref, seconds) for seconds, one in slow[:SLOWEST]),
            killed=tuple(
                Straggler(one.ref, granted)
                for one, granted in killed.items()
                if one not in given_up
            ),
            given_up=tuple(
                Straggler(one.ref, granted, stacks.get(one, ()))
                for one, granted in given_up.items()
            ),
        )


class Budget(NamedTuple):
    """What a supervisor has for its end.

    Attributes:
        deadline: when its children must have ended.
        stopping: the stop that it belongs to.
    """

    deadline: float
    stopping: Stopping


class Turns:
    """Ends processes one after the other, and parts the time among them.

    Args:
        me: who ends them.
        targets: whom, with their shutdowns.
        budget: what there is.
    """

    def __init__(
        self, me: Control, targets: Sequence[tuple[Control, Shutdown]], budget: Budget
    ) -> None:
        self._me = me
        self._budget = budget
        most = budget.stopping.seconds
        self._wants = {target: _want(target, shutdown, most) for target, shutdown in targets}
        self._others = sum(self._wants.values())

    def end(self, target: Control, shutdown: Shutdown) -> Any:
        """End one of them; return its exit reason."""
        me, (deadline, stopping) = self._me, self._budget
        begun = me.node.clock.now()
        left = deadline - begun
        if left <= 0:
            kill_at_once(me, [one for one in self._wants if one.alive], stopping.notes)
            self._wants.clear()
            return end(me, target, "brutal")
        want = self._wants.pop(target)
        self._others -= want
        allowed = part(left, want, self._others)
        grace = min(KILL_GRACE, allowed / 10)
        granted = _granted(shutdown, allowed - grace)
        with _budgeted([(target, granted)], stopping):
            reason = end(me, target, granted, notes=stopping.notes, grace=grace)
        stopping.note_time(target, me.node.clock.now() - begun)
        return reason


class _budgeted:  # noqa: N801 - a context manager, without the cost of a generator's
    """While the block runs, supervisors that are ended in it know what they have."""

    __slots__ = ("_budgets", "_known")

    def __init__(self, targets: Iterable[tuple[Control, Shutdown]], stopping: Stopping) -> None:
        self._known: dict[Control, Budget] = {}
        for target, granted in targets:
            self._budgets = target.node.budgets
            if isinstance(granted, (int, float)) and supervises(target):
                until = target.node.clock.now() + granted * FOR_CHILDREN
                self._known[target] = self._budgets[target] = Budget(until, stopping)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        for target in self._known:
            self._budgets.pop(target, None)


def turns_of(me: Control, targets: Sequence[tuple[Control, Shutdown]]) -> Turns | None:
    """Return how `me` is to end its children in turn; `None` if it has no budget for that."""
    budget = me.node.budgets.get(me)
    return Turns(me, targets, budget) if budget is not None else None


def end_at_once(me: Control, targets: Sequence[tuple[Control, Shutdown]]) -> list[Any]:
    """End processes all at once, within the budget of `me` if it has one; as `end_together`."""
    budget = me.node.budgets.get(me)
    if budget is None:
        return end_together(me, targets)
    deadline, stopping = budget
    begun = me.node.clock.now()
    left = deadline - begun
    if left <= 0:
        kill_at_once(me, [target for target, _ in targets if target.alive], stopping.notes)
        return end_together(me, targets)
    grace = min(KILL_GRACE, left / 10)
    granted = [(target, _granted(shutdown, left - grace)) for target, shutdown in targets]
    with _budgeted(granted, stopping):
        return end_together(
            me, granted, notes=stopping.notes, grace=grace, ended=stopping.note_time
        )


def _granted(shutdown: Shutdown, allowed: float) -> Shutdown:
    if shutdown == "brutal":
        return "brutal"
    return allowed if shutdown is None else min(shutdown, allowed)


def _want(control: Control, shutdown: Shutdown, most: float) -> float:
    """Return the seconds that the end of a process asks for, with all that is below it."""
    own = most if shutdown is None else 0.0 if shutdown == "brutal" else min(shutdown, most)
    survey = survey_of(control)
    if survey is None:
        return own + KILL_GRACE
    below = [
        _want(child.process.control, child.spec.shutdown, most)
        for child in survey.children
        if child.process is not None and child.process.control.alive
    ]
    together = survey.strategy in ("dynamic", "simple_one_for_one")
    asked = max(below, default=0.0) if together else sum(below)
    return min(own, asked) + KILL_GRACE


def kill_at_once(sender: Control, targets: Sequence[Control], notes: Notes) -> None:
    """Kill processes, all at once, and give up those that do not come out; note them."""
    for target in targets:
        notes.killed.setdefault(target, 0.0)
    end_together(sender, [(target, "brutal") for target in targets], notes=notes)


def check_seconds(field: str, seconds: Any) -> None:
    """Refuse what is no number of seconds that something may take.

    Raises:
        InvalidInput: naming it.
    """
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds < math.inf:
        raise InvalidInput(field, seconds, "a number of seconds, 0 or more")


def stop_tree(root: Control, seconds: float) -> StopReport:
    """Stop a supervisor and all below it within `seconds`; see `SupervisingRef.stop_within`."""
    check_seconds("seconds", seconds)
    node, me = root.node, here.control
    members = _family(root, node.survivors())
    if me is not None and me in members:
        raise CallCycle((me.ref, root.ref, me.ref))
    stopping = Stopping(node, list(members), seconds)
    sender = me if me is not None else node.init
    if members:
        with _budgeted([(root, seconds / FOR_CHILDREN)], stopping):
            _ask_to_stop(root, stopping)
        stopping.sweep(sender, members)
    return stopping.report()


def _ask_to_stop(root: Control, stopping: Stopping) -> None:
    """Ask a supervisor to stop, in its place among the mail; kill it if it does not.

    One that has not begun with it after half of the time hangs in something else. It is killed
    then, so that its children, which end with it, have the other half.
    """
    death, begun, half = death_of(root), root.node.clock.now(), stopping.seconds / 2
    root.until = stopping.deadline
    root.post(Stop("shutdown", Future(root)))
    # When its time is over it kills what is left, and waits for that.
    in_time = _comes(death, half) or (
        root.ending is not NOTHING and _comes(death, half + 1.5 * KILL_GRACE)
    )
    if not in_time:
        stopping.notes.killed[root] = root.node.clock.now() - begun
        send_exit(root.node.init, root, "kill")
    stopping.note_time(root, root.node.clock.now() - begun)


def _comes(death: Future[Any], seconds: float) -> bool:
    try:
        await_death(death, seconds)
    except CallTimeout:
        return False
    return True


def _family(root: Control, processes: Sequence[Control]) -> dict[Control, None]:
    """Return the live processes of a tree: what was started linked to one in it, and so on.

    Args:
        root: its root.
        processes: those of the node, oldest first, so that each comes after who started it.
    """
    family = {root: None} if root.alive else {}
    for control in processes:
        if control.follows and control.parent is not None and control.parent in family:
            family[control] = None
    return family


def stop_node(node: Node, timeout: float, within: float | None) -> Stopping:
    """Stop every process of a node; see `Node.stop`."""
    check_seconds("timeout", timeout)
    if within is not None:
        check_seconds("within", within)
    me = here.control
    members = [one for one in node.survivors() if one is not me]
    stopping = Stopping(node, members, math.inf if within is None else within)
    roots = [root for root in reversed(node.roots()) if root is not me]
    if within is None:
        _end_each(node, roots, timeout, stopping)
    else:
        targets: list[tuple[Control, Shutdown]] = [
            (root, None if supervises(root) else timeout) for root in roots
        ]
        turns = Turns(node.init, targets, Budget(stopping.deadline, stopping))
        for root, shutdown in targets:
            turns.end(root, shutdown)
    kill_the_rest(node, stopping)
    return stopping


def _end_each(node: Node, roots: Iterable[Control], timeout: float, stopping: Stopping) -> None:
    """End processes one after the other, each with the whole of `timeout`."""
    now, notes = node.clock.now, stopping.notes
    for root in roots:
        begun = now()
        end(node.init, root, timeout, notes=notes)
        stopping.note_time(root, now() - begun)


def kill_the_rest(node: Node, stopping: Stopping) -> None:
    """End what no root has ended: what hung below one that was killed, and what has no parent.

    What is ending already may go on with that while there is time; without a limit, it is over.
    """
    me = here.control
    left = [one for one in node.survivors() if one is not me]
    ending = {one for one in left if stopping.is_limited and _has_lost_its_parent(one)}
    others: list[tuple[Control, Shutdown]] = [(one, "brutal") for one in left if one not in ending]
    end_together(node.init, others, notes=stopping.notes)
    stopping.sweep(node.init, [one for one in left if one in ending])


def _has_lost_its_parent(control: Control) -> bool:
    return control.follows and control.parent is not None and not control.parent.alive
