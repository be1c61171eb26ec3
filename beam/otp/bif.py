"""What any process can do: Erlang's built-in functions on processes.

    >>> from beam.otp import Down, Mailbox, Server, exit, monitor
    >>> class Sleeper(Server):
    ...     pass
    >>> with Mailbox() as me:
    ...     sleeper = Sleeper.start()
    ...     watching = monitor(sleeper)
    ...     exit(sleeper, "shutdown")
    ...     down = me.receive(timeout=5.0)
    >>> down.process is sleeper, down.reason
    (True, 'shutdown')

They act for the process that calls them. `link`, `monitor` and `receive` need one: elsewhere they
raise `NotAProcess`. The others act for the node's `init` process there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import Exited, InvalidInput, NotAProcess
from beam.otp import signals
from beam.otp.context import current_node, here
from beam.otp.control import NOTHING, Control
from beam.otp.function import FunctionProcess, receive_here
from beam.otp.mail import Info
from beam.otp.node import check_name
from beam.otp.process import Process
from beam.otp.reasons import Down
from beam.otp.ref import Ref
from beam.otp.spawn import launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.signals import Monitor
    from beam.otp.timer import Timer

__all__ = [
    "current_process",
    "demonitor",
    "exit",
    "link",
    "monitor",
    "receive",
    "register",
    "send_after",
    "spawn",
    "spawn_link",
    "spawn_monitor",
    "unlink",
    "unregister",
    "whereis",
]


def current_process() -> Ref[Any] | None:
    """Return the process that runs this code, `None` outside any (Erlang's `self/0`)."""
    return here.control.ref if here.control is not None else None


def spawn(what: type[Process] | Callable[..., Any], *args: Any, **kwargs: Any) -> Ref[Any]:
    """Start a process: of a class, as its `start`; or one that runs a function and ends with it.

    A function runs on a thread of its own and may call `receive`. It has started when `spawn`
    returns; what it returns is dropped, and its process ends with reason `"normal"`.

    Args:
        what: a class of processes, or a function.
        *args: for `init`, or the function.
        **kwargs: likewise.

    Raises:
        As `Process.start`.
    """
    return _spawn(what, args, kwargs)[0]


def spawn_link(what: type[Process] | Callable[..., Any], *args: Any, **kwargs: Any) -> Ref[Any]:
    """Start a process linked to the one that calls; otherwise as `spawn`."""
    return _spawn(what, args, kwargs, link=True)[0]


def spawn_monitor(
    what: type[Process] | Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[Ref[Any], Monitor]:
    """Start a process monitored by the one that calls; otherwise as `spawn`."""
    ref, watch = _spawn(what, args, kwargs, monitor=True)
    assert watch is not None
    return ref, watch


def _spawn(
    what: type[Process] | Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    link: bool = False,
    monitor: bool = False,
) -> tuple[Ref[Any], Monitor | None]:
    if isinstance(what, type) and issubclass(what, Process):
        options = {key: kwargs.pop(key) for key in ("name", "timeout") if key in kwargs}
        return launch(what, args, kwargs, link=link, monitor=monitor, **options)
    if not callable(what):
        raise InvalidInput("what", what, "a class of processes or a function")
    return launch(FunctionProcess, (what, args, kwargs), {}, link=link, monitor=monitor)


def link(other: Ref[Any]) -> None:
    """Link this process and `other`: when one ends, the other gets an exit signal.

    Linking to a dead process brings the signal `"noproc"` at once if this one traps exits, and
    fails if it does not, as Erlang's `link/1`. A second link between two processes is the first.

    Raises:
        NotAProcess: outside a process.
        CallExit: `"noproc"`, if `other` is dead and this process does not trap exits.
        InvalidInput: if `other` is no ref.
    """
    signals.link(_me("link"), _control_of(other, "other"))


def unlink(other: Ref[Any]) -> None:
    """Undo a link; no exit signal of it will reach this process any more.

    Raises:
        NotAProcess: outside a process.
        InvalidInput: if `other` is no ref.
    """
    signals.unlink(_me("unlink"), _control_of(other, "other"))


def monitor(process: Ref[Any] | Any) -> Monitor:
    """Watch a process: exactly one `Down` comes when it has ended, and its cleanup has run (G5).

    Args:
        process: a ref, or a registered name. If there is no such process the `Down` comes at
            once, with reason `"noproc"`.

    Raises:
        NotAProcess: outside a process.
    """
    me = _me("monitor")
    target: Control | None
    if isinstance(process, Ref):
        target = process.control
    else:
        check_name(process)
        target = me.node.names.get(process)
    watch = signals.Monitor(me, target, process)
    if target is me:
        return watch  # Nobody hears of its own end; as in Erlang, nothing is set.
    if target is None or not signals.watch(target, watch):
        me.post(Info(Down(watch, process, "noproc")))
    return watch


def demonitor(watch: Monitor, *, flush: bool = False) -> bool:
    """Take a monitor back: its `Down` will not come any more.

    Args:
        watch: what `monitor` returned.
        flush: drop its `Down` too if it lies in the mailbox already.

    Returns:
        Whether it was still set (OTP's option `info`).

    Raises:
        NotAProcess: outside a process.
        InvalidInput: if it is no monitor, or another process has set it.
    """
    if getattr(watch, "owner", None) is not _me("demonitor"):
        raise InvalidInput("watch", watch, "a monitor that this process has set")
    was_set = signals.unwatch(watch)
    watch.flushed = watch.flushed or flush
    return was_set


_ABSENT = object()


def exit(process: Ref[Any] | Any, reason: Any = _ABSENT) -> None:
    """`exit(ref, reason)` sends an exit signal; `exit(reason)` ends the process that calls it.

    A signal ends a process that does not trap exits before its next message, with `reason`; one
    that traps them gets `Exit(sender, reason)` as mail. `"kill"` ends both, with `"killed"`;
    `"normal"` from another process ends neither. A dead process is not concerned.

    Args:
        process: the ref to signal; or, alone, the reason to end with.
        reason: any value.

    Raises:
        Exited: with one argument, always, and with a signal to oneself that is not trapped: it
            unwinds the handler.
        InvalidInput: if `process` is no ref.
    """
    if reason is _ABSENT:
        raise Exited(process)
    target = _control_of(process, "process")
    me = here.control
    signals.send_exit(me if me is not None else target.node.init, target, reason)
    if target is me and me.pending_exit is not NOTHING:
        raise Exited(me.pending_exit)  # A signal to oneself acts at once.


def receive(timeout: float | None = None) -> Any:
    """Take the oldest message out of this process's mailbox, waiting for one if need be.

    For functions run by `spawn`, and threads in `with Mailbox()`; other processes get their
    messages in callbacks.

    Args:
        timeout: seconds to wait; `None` without end.

    Raises:
        TimeoutError: if none came in time.
        NotAProcess: outside such a process.
    """
    return receive_here(timeout)


def send_after(delay: float, to: Ref[Any], message: Any) -> Timer:
    """Send `message` to `to` after `delay` seconds of its node's time.

    Returns:
        The timer: `cancel()` takes the message back.

    Raises:
        InvalidInput: if `delay` is negative or no number, or `to` is no ref.
    """
    return _control_of(to, "to").node.send_after(delay, to, message)


def register(name: Any, process: Ref[Any]) -> None:
    """Give a live process a name in its node; the name goes when the process does.

    Raises:
        AlreadyExists: if the name is taken (`"already_registered"`), or the process has one
            (`"already_named"`): it may have one, as in Erlang.
        NotFound: `"noproc"`, if the process is dead.
        InvalidInput: if the name is `None`, or cannot be hashed; if `process` is no ref.
    """
    control = _control_of(process, "process")
    control.node.register(name, control)


def unregister(name: Any) -> None:
    """Take a name back.

    Raises:
        NotFound: `"not_registered"`, if no process has it.
        InvalidInput: if it cannot be a name.
    """
    current_node().unregister(name)


def whereis(name: Any) -> Ref[Any] | None:
    """Return the process registered under `name` in the current node, `None` if there is none."""
    return current_node().whereis(name)


def _control_of(process: Ref[Any], field: str) -> Control:
    try:
        return process.control
    except AttributeError:
        raise InvalidInput(field, process, "a ref") from None


def _me(operation: str) -> Control:
    if here.control is None:
        raise NotAProcess(operation)
    return here.control
