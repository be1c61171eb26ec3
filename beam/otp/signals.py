"""Links, monitors, exit signals and death: what ties processes together.

The rules are Erlang's (Reference Manual, "Processes"). A signal acts when it arrives: on a
process that does not trap exits it is noted and ends the process before its next message, on one
that traps it is mail. `"kill"` sent as a signal ends any process, with reason `"killed"`; `"kill"`
that comes along a link is a reason like others. `"normal"` from elsewhere ends nobody.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from beam.errors import CallExit, Exited
from beam.otp.control import NOTHING, Control, Life
from beam.otp.interrupt import hold
from beam.otp.mail import Info
from beam.otp.reasons import Down, Exit, is_word

if TYPE_CHECKING:
    from beam.otp.future import Future

__all__ = ["DeathWatch", "Monitor", "Watch", "bury", "link", "send_exit", "unlink", "watch"]


class Watch:
    """Somebody who will hear, once, that a process has ended."""

    __slots__ = ("target",)

    target: Control | None

    def fire(self, reason: Any) -> None:
        """Tell the one who watches; called under the node's lock."""
        raise NotImplementedError


class Monitor(Watch):
    """What `monitor()` returns: names one watch, delivers one `Down`.

    Attributes:
        process: what is watched, in the form it was given: a ref, or a name.
    """

    __slots__ = ("flushed", "late", "number", "owner", "process")

    def __init__(self, owner: Control, target: Control | None, process: Any) -> None:
        self.number = owner.node.next_serial()
        self.owner = owner
        self.target = target
        self.process = process
        # Set by `demonitor(flush=True)`: a Down in the mailbox is skipped instead of searched for.
        self.flushed = False
        # Whether an exit signal was on its way to the target already: signals keep their order, so
        # as in Erlang the process is gone for this monitor, whatever ends it.
        self.late = False

    def __repr__(self) -> str:
        return f"<monitor of {self.process}>"

    @property
    def __term_order__(self) -> tuple[str, int]:
        return (self.owner.node.name, self.number)

    def fire(self, reason: Any) -> None:
        """Send the `Down`."""
        if self.owner.monitors is not None:
            self.owner.monitors.pop(self, None)
        self.owner.post(Info(Down(self, self.process, "noproc" if self.late else reason)))


class DeathWatch(Watch):
    """A watch that settles a future with the exit reason; for those who wait for a death."""

    __slots__ = ("future",)

    def __init__(self, future: Future[Any], target: Control) -> None:
        self.future = future
        self.target = target

    def fire(self, reason: Any) -> None:
        """Settle the future."""
        self.future.settle(reason)


def watch(target: Control, watcher: Watch) -> bool:
    """Have `watcher` hear of the death of `target`.

    Returns:
        False if it is dead already, and `watcher` will hear nothing.

    Raises:
        Exited: if the one who watches has been given up, and is dead itself.
    """
    with target.node.lock:
        if isinstance(watcher, Monitor) and watcher.owner.life is Life.DEAD:
            raise Exited(watcher.owner.exit_reason)
        if target.life is Life.DEAD:
            return False
        if isinstance(watcher, Monitor):
            watcher.late = target.pending_exit is not NOTHING
        add_watch(target, watcher)
        return True


def add_watch(target: Control, watcher: Watch) -> None:
    """Write a watch down; under the node's lock."""
    if target.watchers is None:
        target.watchers = {}
    target.watchers[watcher] = None
    if isinstance(watcher, Monitor):
        owner = watcher.owner
        if owner.monitors is None:
            owner.monitors = {}
        owner.monitors[watcher] = None


def unwatch(watcher: Watch) -> bool:
    """Take a watch back; return whether it was still set."""
    target = watcher.target
    if target is None:
        return False
    with target.node.lock:
        if isinstance(watcher, Monitor) and watcher.owner.monitors is not None:
            watcher.owner.monitors.pop(watcher, None)
        return target.watchers is not None and target.watchers.pop(watcher, NOTHING) is None


def link(one: Control, other: Control) -> None:
    """Link two processes; `one` runs here.

    Raises:
        CallExit: `"noproc"`, if `other` is dead and `one` does not trap exits. If it does, that
            is the signal it gets, and one that does not gets it if `other` has an exit signal on
            its way: signals keep their order. (As Erlang's `link/1`.) It comes when `other` has
            ended, if that waits for mail; at once, if it is in the middle of its code.
        Exited: if `one` has been given up, and is dead itself.
    """
    if one is other:
        return
    with one.node.lock:
        if one.life is Life.DEAD:
            raise Exited(one.exit_reason)
        if other.life is Life.ENDING:
            join(one, other, late=True)
        elif other.life is not Life.DEAD and other.pending_exit is not NOTHING:
            _receive_exit(one, other, "noproc", [])  # It runs here, so nobody need bury it.
        elif other.life is not Life.DEAD:
            join(one, other)
        elif one.actor.trap_exit:
            one.post(Info(Exit(other.ref, "noproc")))
        else:
            raise CallExit("noproc", other.ref)


def join(one: Control, other: Control, *, late: bool = False) -> None:
    """Write down a link between two live processes; under the node's lock.

    Args:
        one: the one that links.
        other: the one that it links to.
        late: whether `other` is ending already, so that `one` will hear of `"noproc"`.
    """
    if one.links is None:
        one.links = {}
    if other.links is None:
        other.links = {}
    one.links.setdefault(other, False)
    other.links.setdefault(one, late)


def unlink(one: Control, other: Control) -> None:
    """Undo a link: no exit signal of it will act on `one` any more."""
    with one.node.lock:
        if one.links is not None:
            one.links.pop(other, None)
        if other.links is not None:
            other.links.pop(one, None)


def send_exit(sender: Control, target: Control, reason: Any) -> None:
    """Send an exit signal, as Erlang's `exit/2`; it acts on `target` as the module says."""
    doomed: list[Control] = []
    held = hold()
    try:
        with target.node.lock:
            if is_word(reason, "kill"):
                _doom(target, "killed", doomed)
            else:
                _receive_exit(target, sender, reason, doomed)
        _bury_all(doomed)
    finally:
        if held is not None:
            held.release()


def _receive_exit(target: Control, sender: Control, reason: Any, doomed: list[Control]) -> None:
    """Let a signal act on `target`; under the node's lock."""
    if target.life is Life.DEAD:
        return
    if target.actor.trap_exit:
        target.post(Info(Exit(sender.ref, reason)))
    elif sender is target or not is_word(reason, "normal"):
        _doom(target, reason, doomed)


def _doom(target: Control, reason: Any, doomed: list[Control]) -> None:
    """End `target` before its next message; the first reason counts. Under the node's lock.

    An idle process is ended by the signalling thread, as no code of the user's runs in that; one
    that waits, in a call or for mail, is woken to end; one that runs sees the reason when its
    handler returns.
    """
    dying: Control | None = target
    while dying is not None and dying.life is not Life.DEAD and dying.pending_exit is NOTHING:
        dying.pending_exit = reason
        if dying.receiving:
            dying.life = Life.ENDING
        if dying.turn.acquire(False):
            if dying.receiving:
                dying.driver.submit(dying)
            else:
                doomed.append(dying)
            return
        if dying.parker is not None:
            dying.parker.unpark()
        # A child whose init runs on top of it, and is linked to it, hears of it now: the dying
        # one cannot tell before that init is over.
        nested = dying.nested
        if nested is None or nested.links is None or dying not in nested.links:
            return
        dying = nested if not nested.actor.trap_exit else None


def bury(control: Control, reason: Any) -> bool:
    """Make `control` dead for everyone, and tell everyone; its cleanup has run (G5).

    Returns:
        False if it was dead already.
    """
    doomed: list[Control] = []
    held = hold()
    try:
        with control.node.lock:
            if not _die(control, reason, doomed):
                return False
        _settle(control, reason)
        _bury_all(doomed)
    finally:
        if held is not None:
            held.release()
    return True


def bury_idle(control: Control, reason: Any) -> None:
    """Bury a process whose turn the caller holds, and which does not run."""
    control.pending_exit = reason
    held = hold()
    try:
        _bury_all([control])
    finally:
        if held is not None:
            held.release()


def _bury_all(doomed: list[Control]) -> None:
    """Bury the idle processes that a signal ended, and those that their links end, in order.

    A loop, not a recursion: a chain of ten thousand links is no deeper than one.
    """
    queue = deque(doomed)
    while queue:
        control = queue.popleft()
        reason, more = control.pending_exit, list[Control]()
        with control.node.lock:
            if not _die(control, reason, more):
                # Given up between the signal and this: but nothing of it runs.
                control.node.given_up.pop(control.serial, None)
        _settle(control, reason)
        queue.extend(more)
        if control.driver is not control.node.scheduler:
            control.driver.submit(control)  # A thread of its own must hear that it is over.


def _die(control: Control, reason: Any, doomed: list[Control]) -> bool:
    """Take the process out of everything, then tell links and monitors; under the node's lock."""
    if control.life is Life.DEAD:
        return False
    control.exit_reason = reason  # First: who finds it dead may ask why.
    control.life = Life.DEAD
    node = control.node
    node.forget(control)
    for watcher in control.monitors or ():
        if watcher.target is not None and watcher.target.watchers is not None:
            watcher.target.watchers.pop(watcher, None)
    for holding in control.holdings or ():
        holding.holder_died(control)
    links, watchers = control.links, control.watchers
    control.links = control.watchers = control.monitors = None
    for peer, late in (links or {}).items():
        if peer.links is not None:
            peer.links.pop(control, None)
        _receive_exit(peer, control, "noproc" if late else reason, doomed)
    for watcher in watchers or ():
        watcher.fire(reason)
    return True


def _settle(control: Control, reason: Any) -> None:
    """Fail every call that the dead process will not answer, and let go of what was the user's."""
    control.leave_nobody_waiting(reason)
    control.actor = control.receiver = control.holdings = None
    # Nor is the parent held on to: each process may have been started by one that is dead.
    control.parent = None
