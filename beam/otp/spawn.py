"""How a process comes to be: made, named, linked, and started in `init` (G1).

`init` runs at once, on the caller's thread, which waits for it anyway: no hand-over of threads,
and many starts a second. A process with a thread of its own, or a start with a timeout, runs its
`init` over there while the caller waits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from beam.errors import AlreadyStarted, CallTimeout, Exited, InvalidInput, NotAProcess, StartError
from beam.otp.answer import received
from beam.otp.clock import deadline_after
from beam.otp.context import current_node, here, running_loop, warn_if_on_loop
from beam.otp.control import NOTHING, Control, Life
from beam.otp.future import Future
from beam.otp.interrupt import hold
from beam.otp.mail import Init
from beam.otp.node import check_name
from beam.otp.reports import progress
from beam.otp.shutdown import end
from beam.otp.signals import Monitor, add_watch, bury, join, send_exit, unlink
from beam.otp.threads import OwnThread
from beam.otp.turn import ignore, run_init_here

if TYPE_CHECKING:
    from beam.otp.mail import Arguments
    from beam.otp.node import Node
    from beam.otp.process import Process

__all__ = ["RESERVED_KEYWORDS", "Started", "launch"]

# Keywords that starting and child specifications keep for themselves.
RESERVED_KEYWORDS = frozenset({"id", "name", "restart", "shutdown", "significant", "timeout"})


class Started(NamedTuple):
    """A started process: its ref, `None` if its `init` returned `ignore`; and the monitor."""

    ref: Any
    monitor: Monitor | None


class _Start(Future[Any]):
    """The future of an `init` that its starter does not run itself."""

    __slots__ = ()

    purpose = "start"


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
    me = here.control or here.starter
    if me is None and (link or monitor):
        raise NotAProcess("start_link" if link else "start_monitor")
    node = me.node if me is not None else current_node()
    _check(node, kind, name, timeout)
    control = _make(node, kind, me, link=link)
    elsewhere = control.blocking is True or timeout is not None
    # What the user's Ctrl-C may not come between: being known, and being run (G8).
    held = hold()
    try:
        watch = _introduce(control, name, me, link=link, monitor=monitor)
        if elsewhere:
            future = _begin_init(control, (args, kwargs), timeout, here.control)
        else:
            failure = run_init_here(control, (args, kwargs))
            if failure is None:
                _open(control)
    finally:
        if held is not None:
            held.release()
    if elsewhere:
        failure = _wait_for_init(control, future, here.control)
    if me is not None and me.pending_exit is not NOTHING:
        raise Exited(me.pending_exit)
    if failure is ignore:
        return Started(None, _taken_back(watch))
    if failure is not None:
        _taken_back(watch)
        raise received(failure, control)
    progress(control)
    return Started(control.ref, watch)


def _check(node: Node, kind: type[Process], name: Any, timeout: float | None) -> None:
    """Refuse what is no timeout and no name; warn on the thread of an event loop."""
    if timeout is not None:
        deadline_after(node.clock, timeout)  # Refuses what is no number.
        if timeout <= 0:
            raise InvalidInput("timeout", timeout, "a number of seconds above 0, or None")
    if name is not None:
        check_name(name)
    if running_loop() is not None:
        warn_if_on_loop(f"{kind.__name__}.start()", f"{kind.__name__}.aio.start(...)")


def _make(node: Node, kind: type[Process], me: Control | None, *, link: bool) -> Control:
    actor = kind.__new__(kind)
    parent = me if me is not None else node.init
    # Asked for only where it is another: starting is worth the 0.1 µs.
    mailbox = None if kind._declared_limits is None and node.plain else node.new_mailbox(kind)
    control = Control(node, actor, node.scheduler, parent, mailbox)
    control.ref = kind.ref_class(control, kind)
    control.blocking = True if node.scheduler.own_threads else kind.blocking
    control.follows = link or me is None
    actor._control = control
    if control.blocking is True:
        control.driver = OwnThread(node.scheduler, control)
    return control


def _introduce(
    control: Control, name: Any, me: Control | None, *, link: bool, monitor: bool
) -> Monitor | None:
    """Make the process known: to the node, under its name, to the one who links or monitors."""
    watch = None
    node = control.node
    with node.lock:
        if me is not None and me.life is Life.DEAD:
            raise Exited(me.exit_reason)  # Given up, and at it still (G9).
        holder = node.names.get(name) if name is not None else None
        if holder is not None:
            raise AlreadyStarted(name, holder.ref)
        node.remember(control)
        kind = control.ref.actor_class
        if kind._declared_limits is not None or node.limits is not None:
            node.fit_out(control, has_handlers=kind.has_handlers)
        if name is not None:
            node.names[name] = control
            control.name = name
        if me is not None and link:
            join(me, control)
        if me is not None and monitor:
            watch = Monitor(me, control, control.ref)
            add_watch(control, watch)
    return watch


def _open(control: Control) -> None:
    """Let the process, whose `init` has returned, take its mail."""
    control.turn.release()
    if control.mailbox or control.pending_exit is not NOTHING:
        control.wake()


def _begin_init(
    control: Control, arguments: Arguments, timeout: float | None, me: Control | None
) -> Future[Any]:
    """Have `init` run on the process's own thread, or the pool's; return its outcome's future."""
    future = _Start(control, deadline_after(control.node.clock, timeout), timeout)
    control.until = future.deadline
    control.mailbox.appendleft(Init(arguments, future))
    if me is not None:
        # Noted before it runs: an `init` that calls its starter is who closes the ring, always.
        me.begin_wait(future)
    try:
        control.driver.submit(control)
    except BaseException:
        if me is not None:
            me.end_wait()
        _let_go(control)
        bury(control, "killed")  # There is no thread for it.
        raise
    return future


def _wait_for_init(control: Control, future: Future[Any], me: Control | None) -> Any:
    """Return how `init` did not start the process, `None` if it did."""
    try:
        if me is None:
            future.park(None)
            return future.result()
        try:
            future.park(me)
        finally:
            me.end_wait()
        return future.result()
    except Exited:
        raise  # The starter has been ended; what it started lives, unless it is linked to it.
    except CallTimeout as late:
        _let_go(control)
        end(me if me is not None else control.node.init, control, "brutal")
        if type(late) is not CallTimeout:
            raise
        return StartError("timeout", str(control.ref))
    except BaseException:
        # No worker to wait on, or the user's Ctrl-C: nothing is half started.
        _let_go(control)
        send_exit(control.node.init, control, "kill")
        raise


def _taken_back(watch: Monitor | None) -> Monitor | None:
    """Have no `Down` come of a process that did not start: what start says is the news."""
    if watch is not None:
        watch.flushed = True
    return watch


def _let_go(control: Control) -> None:
    """Undo the link to the starter: it gives the process up, and is not to die of that.

    As OTP's `proc_lib:start_link` does when its time is over.
    """
    starter = control.parent
    if starter is not None:
        unlink(starter, control)
