"""Bugs planted into `beam.otp` on purpose, for the simulation to find.

Each is a mistake that a maintainer could make. Most do no harm while things happen one at a time,
and show only where things meet: a fault and what was going on meanwhile, or two faults. Whoever
planted them had not seen the properties that are to notice them.

    >>> from beam.otp import signals
    >>> right = signals.Monitor.fire
    >>> with PLANTS["down-lost-in-a-call"].active():
    ...     signals.Monitor.fire is right
    False
    >>> signals.Monitor.fire is right
    True
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from beam.otp import control, signals, supervisor_ref
from beam.otp import ref as refs
from beam.otp.control import NOTHING, Control, Life
from beam.otp.dynamic_supervision import DynamicSupervision, State
from beam.otp.engine import Engine, _same
from beam.otp.mail import Info
from beam.otp.reasons import Down, Exit, is_graceful, is_word
from beam.otp.scheduler import take_back
from beam.otp.signals import Monitor
from beam.otp.static_supervision import StaticSupervision
from beam.otp.table import Table
from beam.otp.timeouts import Timeouts
from beam.otp.timer import Timer
from beam.testing import seams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["PLANTS", "Plant"]


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug.

    Attributes:
        name: what to call it.
        wrong: what is wrong while it is planted.
        install: plants it; what it changes is put back by the one who asked.
    """

    name: str
    wrong: str
    install: Callable[[pytest.MonkeyPatch], None]

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Have the bug for as long as the block lasts."""
        with pytest.MonkeyPatch.context() as patch:
            self.install(patch)
            yield


PLANTS: dict[str, Plant] = {}


def plant(
    name: str, wrong: str
) -> Callable[[Callable[[pytest.MonkeyPatch], None]], Callable[[pytest.MonkeyPatch], None]]:
    def enter(
        install: Callable[[pytest.MonkeyPatch], None],
    ) -> Callable[[pytest.MonkeyPatch], None]:
        PLANTS[name] = Plant(name, wrong, install)
        return install

    return enter


# Monitors, links and signals


@plant(
    "down-lost-in-a-call",
    "The DOWN of a process is lost on a watcher that waits in a call to it just then.",
)
def down_lost_in_a_call(patch: pytest.MonkeyPatch) -> None:
    right = Monitor.fire

    def fire(self: Monitor, reason: Any) -> None:
        waits = self.owner.waiting
        if waits is not None and waits.callee is self.target and self.target is not None:
            if self.owner.monitors is not None:
                self.owner.monitors.pop(self, None)
            return
        right(self, reason)

    patch.setattr(Monitor, "fire", fire)


@plant(
    "down-lost-of-the-dying",
    "A monitor that is set on a process which is about to end is not noted any more.",
)
def down_lost_of_the_dying(patch: pytest.MonkeyPatch) -> None:
    right = signals.add_watch

    def add_watch(target: Control, watcher: signals.Watch) -> None:
        ends = target.pending_exit is not NOTHING or target.ending is not NOTHING
        if not (ends and isinstance(watcher, Monitor)):
            right(target, watcher)

    patch.setattr(signals, "add_watch", add_watch)


@plant(
    "down-wakes-nobody",
    "A DOWN is put into the mailbox of its watcher, but an idle one is not woken for it.",
)
def down_wakes_nobody(patch: pytest.MonkeyPatch) -> None:
    def fire(self: Monitor, reason: Any) -> None:
        if self.owner.monitors is not None:
            self.owner.monitors.pop(self, None)
        if self.owner.life is not Life.DEAD:
            self.owner.mailbox.append(_down(self, reason))

    patch.setattr(Monitor, "fire", fire)


@plant(
    "down-overtakes-mail",
    "A DOWN is handled before the mail that waits, also before the dead process's last messages.",
)
def down_overtakes_mail(patch: pytest.MonkeyPatch) -> None:
    def fire(self: Monitor, reason: Any) -> None:
        if self.owner.monitors is not None:
            self.owner.monitors.pop(self, None)
        _put_first(self.owner, _down(self, reason))

    patch.setattr(Monitor, "fire", fire)


@plant(
    "exit-overtakes-mail",
    "An exit signal that is trapped is handled before the mail that waits.",
)
def exit_overtakes_mail(patch: pytest.MonkeyPatch) -> None:
    right = signals._receive_exit

    def receive_exit(target: Control, sender: Control, reason: Any, doomed: list[Control]) -> None:
        if target.life is not Life.DEAD and target.actor.trap_exit:
            _put_first(target, Info(Exit(sender.ref, reason)))
        else:
            right(target, sender, reason, doomed)

    patch.setattr(signals, "_receive_exit", receive_exit)


@plant(
    "signal-waits-for-the-call",
    "An exit signal does not end a process that waits in a call before that call has ended.",
)
def signal_waits_for_the_call(patch: pytest.MonkeyPatch) -> None:
    def watch_exit(self: Control, parker: Any) -> None:
        self.parker = None

    patch.setattr(Control, "watch_exit", watch_exit)


@plant(
    "unlinked-on-one-side",
    "A link that was undone still ends the other process when the one that undid it dies.",
)
def unlinked_on_one_side(patch: pytest.MonkeyPatch) -> None:
    def unlink(one: Control, other: Control) -> None:
        with one.node.lock:
            if other.links is not None:
                other.links.pop(one, None)

    patch.setattr(signals, "unlink", unlink)


@plant(
    "starter-ends-with-its-start",
    "Who gives a start up because it took too long is still linked to what it started.",
)
def starter_ends_with_its_start(patch: pytest.MonkeyPatch) -> None:
    # `beam.otp.spawn` is the function of that name.
    spawn = importlib.import_module("beam.otp.spawn")
    patch.setattr(spawn, "_let_go", lambda _control: None)


@plant(
    "name-kept-by-the-unborn",
    "The name of a process that ends before its init has returned stays taken.",
)
def name_kept_by_the_unborn(patch: pytest.MonkeyPatch) -> None:
    right = signals._die

    def die(control: Control, reason: Any, doomed: list[Control]) -> bool:
        names, name = control.node.names, control.name
        kept = control.life is Life.STARTING and name is not None and names.get(name) is control
        died = right(control, reason, doomed)
        if kept:
            names[name] = control
        return died

    patch.setattr(signals, "_die", die)


# Supervision


@plant(
    "restart-counted-for-a-sibling",
    "A child that crashes while its siblings' crash restarts it anyway counts as one more restart.",
)
def restart_counted_for_a_sibling(patch: pytest.MonkeyPatch) -> None:
    right = StaticSupervision.child_exited

    def child_exited(self: Any, process: Any, reason: Any) -> None:
        known = self._children.of_process(process) is not None
        if not known and not is_graceful(reason) and not is_word(reason, "killed"):
            self._window = self._window.add(self._me.node.clock.now())
        right(self, process, reason)

    patch.setattr(StaticSupervision, "child_exited", child_exited)


@plant(
    "restart-counted-twice",
    "A restart that fails counts when it fails, and again when it is tried again.",
)
def restart_counted_twice(patch: pytest.MonkeyPatch) -> None:
    right = StaticSupervision._retry

    def retry(self: Any, child: Any, error: Any) -> Any:
        self._window = self._window.add(self._me.node.clock.now())
        return right(self, child, error)

    patch.setattr(StaticSupervision, "_retry", retry)


@plant(
    "retry-forgets-the-rest",
    "A restart that is tried again restarts the child alone, whatever hangs on it.",
)
def retry_forgets_the_rest(patch: pytest.MonkeyPatch) -> None:
    right = StaticSupervision.try_again

    def try_again(self: Any, what: Any) -> None:
        flags = self._flags
        self._flags = dataclasses.replace(flags, strategy="one_for_one")
        try:
            right(self, what)
        finally:
            self._flags = flags

    patch.setattr(StaticSupervision, "try_again", try_again)


@plant(
    "budget-not-reset",
    "A child that was let out of quarantine has spent its budget still.",
)
def budget_not_reset(patch: pytest.MonkeyPatch) -> None:
    right = DynamicSupervision.release

    def release(self: Any, who: Any) -> Any:
        child = self._find(who)
        spent = child.spent
        started = right(self, who)
        if child.state is State.RUNNING:
            child.spent = spent
        return started

    patch.setattr(DynamicSupervision, "release", release)


# Calls


@plant(
    "late-reply-answers-a-new-call",
    "The late answer to a call that timed out is taken for the answer to the caller's next one.",
)
def late_reply_answers_a_new_call(patch: pytest.MonkeyPatch) -> None:
    right = refs.Call
    # The last call of each caller to each callee; of the node that ran last.
    last: dict[tuple[Any, Control], Any] = {}
    nodes: list[Any] = [None]

    def call(message: Any, future: Any, callee: Control, me: Control | None) -> Any:
        if nodes[0] is not callee.node:
            nodes[0] = callee.node
            last.clear()
        made, before = right(message, future, callee, me), last.get((me, callee))
        now = callee.node.clock.now()
        if before is not None and not before.future.done and before.expired(now):
            before.future = future
        last[me, callee] = made
        return made

    patch.setattr(refs, "Call", call)


@plant(
    "ring-through-an-inline-process",
    "A ring of calls is not seen if it closes through a process that runs on top of its caller.",
)
def ring_through_an_inline_process(patch: pytest.MonkeyPatch) -> None:
    right = refs.run_here
    for module in (refs, supervisor_ref):
        patch.setattr(module, "run_here", lambda control, call, _me: right(control, call, None))


@plant(
    "ring-of-three",
    "A ring of calls is seen only if the one that is called waits for the caller itself.",
)
def ring_of_three(patch: pytest.MonkeyPatch) -> None:
    right = control.path_back

    def path_back(me: Control, callee: Control) -> Any:
        near = callee is me or callee.waits_for() is me
        return right(me, callee) if near else None

    patch.setattr(control, "path_back", path_back)


@plant(
    "kept-call-forgotten",
    "A call that was kept for later is not failed when a signal ends the process that kept it.",
)
def kept_call_forgotten(patch: pytest.MonkeyPatch) -> None:
    right = Control.leave_nobody_waiting

    def leave_nobody_waiting(self: Control, reason: Any) -> None:
        if self.pending_exit is not NOTHING:
            self.deferred = None
        right(self, reason)

    patch.setattr(Control, "leave_nobody_waiting", leave_nobody_waiting)


# Time


@plant(
    "timer-fires-after-its-cancel",
    "A timer that is cancelled when it is due, and has not fired yet, fires nevertheless.",
)
def timer_fires_after_its_cancel(patch: pytest.MonkeyPatch) -> None:
    def cancel(self: Any) -> float | None:
        left = self._due - self._node.clock.now()
        if left <= 0:
            return 0.0 if self in self._cell else None
        return float(left) if take_back(self._cell, self) else None

    patch.setattr(Timer, "cancel", cancel)


@plant(
    "stale-timeout-counts",
    "A time-out that had fired when it was set anew ends the new one before its time.",
)
def stale_timeout_counts(patch: pytest.MonkeyPatch) -> None:
    right = Timeouts.expire

    def expire(self: Any, key: Any, token: object) -> tuple[bool, Any]:
        running = self._running.get(key)
        if running is None or running.cancel is None:
            return right(self, key, token)
        running.cancel()
        del self._running[key]
        return True, running.content

    patch.setattr(Timeouts, "expire", expire)


# Order, and what is kept


@plant(
    "postponed-lost",
    "Postponed events whose turn has not come are lost when the state changes once more.",
)
def postponed_lost(patch: pytest.MonkeyPatch) -> None:
    right = Engine._settle

    def settle(self: Any, step: Any, event: Any) -> None:
        if not _same(step.state, self.state):
            self._queue.clear()
        right(self, step, event)

    patch.setattr(Engine, "_settle", settle)


@plant(
    "postponed-reversed",
    "Postponed events come back in the reverse of the order in which they came.",
)
def postponed_reversed(patch: pytest.MonkeyPatch) -> None:
    right = Engine._settle

    def settle(self: Any, step: Any, event: Any) -> None:
        # The one that is postponed now is the last of them, which the right one puts there.
        if not _same(step.state, self.state):
            if step.postponed and event is not None:
                self.postponed.append(event)
                step.postponed = False
            self.postponed.reverse()
        right(self, step, event)

    patch.setattr(Engine, "_settle", settle)


@plant(
    "late-mail-swapped",
    "Mail that is late does not hold up what the same process has sent after it.",
)
def late_mail_swapped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(seams, "_sender_of", lambda _mail: object())


@plant(
    "row-lost-to-a-busy-heir",
    "The last row of a table is lost when the table goes to an heir who is busy.",
)
def row_lost_to_a_busy_heir(patch: pytest.MonkeyPatch) -> None:
    right = Table.holder_died

    def holder_died(self: Any, holder: Control) -> None:
        heir, storage = self._heir, self._storage
        busy = heir is not None and heir[0].life is not Life.DEAD and heir[0].turn.locked()
        if busy and storage is not None and len(storage):
            storage._assign(storage._forms()[-1], [])
        right(self, holder)

    patch.setattr(Table, "holder_died", holder_died)


def _down(watch: Monitor, reason: Any) -> Info:
    """Return the mail of a monitor, as it should be."""
    return Info(Down(watch, watch.process, "noproc" if watch.late else reason))


def _put_first(control: Control, mail: Any) -> None:
    """Put mail before all that waits, and see that somebody handles it."""
    if control.life is Life.DEAD:
        return
    control.mailbox.appendleft(mail)
    if not control.turn.locked():
        control.wake()
