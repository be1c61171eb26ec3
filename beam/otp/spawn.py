"""How a process comes to be: made, named, linked, and started in `init` (G1).

`init` runs at once, on the caller's thread, which waits for it anyway: no hand-over of threads,
and many starts a second. A process with a thread of its own, or a start with a timeout, runs its
`init` over there while the caller waits.
"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, NamedTuple

from beam.errors import AlreadyStarted, CallTimeout, Exited, InvalidInput, NotAProcess, StartError
from beam.otp.context import here, warn_if_on_loop
from beam.otp.control import NOTHING, Control, Life
from beam.otp.future import Future
from beam.otp.mail import Init
from beam.otp.node import current_node
from beam.otp.reports import progress
from beam.otp.signals import Monitor, bury, join
from beam.otp.threads import OwnThread
from beam.otp.turn import ignore, run_init

if TYPE_CHECKING:
    from beam.otp.node import Node
    from beam.otp.process import Process
    from beam.otp.ref import Ref

__all__ = ["RESERVED_KEYWORDS", "Started", "launch"]

# Keywords that starting and child specifications keep for themselves.
RESERVED_KEYWORDS = frozenset({"id", "name", "restart", "shutdown", "significant", "timeout"})


class Started(NamedTuple):
    """A started process: its ref, `None` if its `init` returned `ignore`; and the monitor."""

    ref: Any
    monitor: Monitor | None


def launch(
    kind: type[Process],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    name: Any = None,
    timeout: float | None = None,
    link: bool = False,
    monitor: bool = False,
) -> Started:
    """Start a process of class `kind`; see `Process.start` for the arguments and errors."""
    me = here.control
    if me is None and (link or monitor):
        raise NotAProcess("start_link" if link else "start_monitor")
    if timeout is not None and timeout <= 0:
        raise InvalidInput("timeout", timeout, "a number of seconds above 0, or None")
    node = me.node if me is not None else current_node()
    warn_if_on_loop(f"{kind.__name__}.start()", f"{kind.__name__}.aio.start(...)")
    control = _make(node, kind, me)
    watch = _introduce(control, name, me, link=link, monitor=monitor)
    if control.blocking is True or timeout is not None:
        failure = _init_elsewhere(control, (args, kwargs), timeout)
    else:
        failure = run_init(control, (args, kwargs), contextvars.copy_context(), None)
        if failure is None:
            _open(control)
    if me is not None and me.pending_exit is not NOTHING:
        raise Exited(me.pending_exit)
    if failure is ignore:
        return Started(None, watch)
    if failure is not None:
        raise failure
    progress(control)
    return Started(control.ref, watch)


def _make(node: Node, kind: type[Process], me: Control | None) -> Control:
    actor = kind.__new__(kind)
    control = Control(node, actor, node.scheduler, me if me is not None else node.init)
    control.ref = kind.ref_class(control, kind)
    control.blocking = kind.blocking
    actor._control = control
    if kind.blocking is True:
        control.driver = OwnThread(node.scheduler, control)
    return control


def _introduce(
    control: Control, name: Any, me: Control | None, *, link: bool, monitor: bool
) -> Monitor | None:
    """Make the process known: to the node, under its name, to the one who links or monitors."""
    watch = None
    node = control.node
    with node.lock:
        if name is not None:
            holder = node.names.get(name)
            if holder is not None:
                raise AlreadyStarted(name, holder.ref)
            node.names[name] = control
            control.names = [name]
        node.remember(control)
        if me is not None and link:
            join(me, control)
        if me is not None and monitor:
            watch = Monitor(me, control, control.ref)
            control.watchers = {watch: None}
            me.monitors = me.monitors if me.monitors is not None else {}
            me.monitors[watch] = None
    return watch


def _open(control: Control) -> None:
    """Let the process, whose `init` has returned, take its mail."""
    control.turn.release()
    if (control.mailbox or control.pending_exit is not NOTHING) and control.turn.acquire(False):
        control.driver.submit(control)


def _init_elsewhere(control: Control, arguments: Any, timeout: float | None) -> Any:
    """Run `init` on the process's own thread, or the pool's, and wait for it."""
    clock = control.node.clock
    deadline = None if timeout is None else clock.now() + timeout
    future: Future[Any] = Future(control, deadline, timeout)
    control.mailbox.appendleft(Init(arguments, future))
    control.driver.submit(control)
    me = here.control
    try:
        if me is None:
            return future.get()
        me.begin_wait(future)
        try:
            future.park(me)
        finally:
            me.end_wait()
        return future.result()
    except CallTimeout as late:
        give_up(control, "killed")
        if type(late) is not CallTimeout:
            raise
        return StartError("timeout", str(control.ref))


def give_up(control: Control, reason: Any) -> bool:
    """Make a process dead for everyone although its handler still runs (G9).

    Its thread is counted as lost until the handler returns, if it ever does.

    Returns:
        False if it was dead already.
    """
    control.pending_exit = reason
    if control.turn.acquire(False):
        return bury(control, reason)  # It was idle after all.
    running = control.life is not Life.DEAD
    if not bury(control, reason) or not running:
        return False
    control.node.note_given_up(control)
    return True
