"""Doors into any process, for whoever debugs or repairs it: OTP's `sys`.

    >>> from beam.otp import Server, sys
    >>> class Counter(Server):
    ...     def init(self):
    ...         self.count = 0
    ...     def handle_cast(self, by):
    ...         self.count += by
    >>> counter = Counter.start(name="counter")
    >>> counter.cast(5)
    >>> sys.get_state(counter)
    {'count': 5}
    >>> sys.replace_state("counter", lambda state: {"count": state["count"] * 2})
    {'count': 10}
    >>> sys.suspend(counter)
    >>> counter.cast(1)
    >>> sys.get_status(counter).mailbox, sys.get_state(counter)
    (1, {'count': 10})
    >>> sys.resume(counter)
    >>> with sys.trace(counter) as trace:
    ...     counter.cast(7)
    ...     sys.get_state(counter)
    ...     [(event.kind, event.value) for event in trace.events()]
    {'count': 18}
    [('in', 7), ('noreply', 7)]
    >>> counter.stop()
    True

In a module that needs Python's own `sys` too: `from beam import otp`, and `otp.sys.get_state(ref)`.

Each takes a ref, or a name in the current node, and waits `timeout` seconds, 5 unless said, for the
process to come to it: a request is mail in its place, after what was sent before. A process that
hangs answers none, which is `CallTimeout`; a dead one is `CallExit`; a process that asks itself is
`CallCycle`. None of them can crash the process. The coroutine twins are under `sys.aio`.

All are for every process: servers, state machines, supervisors of every kind, registries. A
function's process and a thread's `Mailbox` come to their mail when they receive; they have no state
to show and cannot be suspended, and refuse that with `NotSupported`.

Nothing of this costs a process anything while it is off. The rules are those of OTP 25's `sys`.
"""

from __future__ import annotations

import sys as _sys
from typing import TYPE_CHECKING, Any, Literal, overload

from beam.errors import InvalidInput
from beam.otp import system
from beam.otp.aio import Aio
from beam.otp.context import here
from beam.otp.counting import Statistics
from beam.otp.ref import CALL_TIMEOUT, Ref
from beam.otp.system import State, Status, control_of, request
from beam.otp.trace import Trace, TraceEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.otp.control import Control

__all__ = [
    "State",
    "Statistics",
    "Status",
    "Trace",
    "TraceEvent",
    "aio",
    "get_state",
    "get_status",
    "replace_state",
    "resume",
    "statistics",
    "suspend",
    "trace",
]

# The most events that a trace keeps or tells unless said otherwise.
TRACE_LIMIT = 1000


def get_state(process: Ref[Any] | Any, *, timeout: float | None = CALL_TIMEOUT) -> Any:
    """Return the state of a process (OTP's `sys:get_state/2`).

    A server's is a dict of its attributes; a state machine's the pair `State(state, data)`; a
    supervisor's the list of its children, as `which_children`. The values are the process's own,
    not copies: look at them, and leave them as they are.

    Args:
        process: a ref, or a name.
        timeout: seconds to wait; `None` without end.

    Raises:
        NotSupported: `"no_state"`, from a process without callbacks, or a registry.
        CallExit, CallTimeout, CallCycle: see the module.
    """
    return request("get_state", control_of(process), system.state_of, timeout)


def replace_state(
    process: Ref[Any] | Any,
    function: Callable[[Any], Any],
    *,
    timeout: float | None = CALL_TIMEOUT,
) -> Any:
    """Replace the state of a process (OTP's `sys:replace_state/3`).

    `function` gets what `get_state` returns, runs in the process, and returns what is to be there
    instead: the whole dict of attributes, or the pair. If it raises, the process keeps its state
    and lives, and the exception is raised here. The dict is a copy, the values in it are not: one
    that `function` changes in place stays changed.

    A state machine's state may be given by its name, or as the method. As in OTP it is put there
    and no more: nothing is entered, no time-out ends, what is postponed stays so.

    Args:
        process: a ref, or a name.
        function: makes the new state of the old one.
        timeout: seconds to wait; `None` without end.

    Returns:
        What `function` returned.

    Raises:
        InvalidInput: if that is no state that the process can have; nothing has changed.
        Refused: `"callback_failed"`, if `function` raised what is no `Exception`, as `exit` does.
        NotSupported: `"no_state"`, or `"no_replace_state"` from a supervisor: change its children
            with its own functions.
        CallExit, CallTimeout, CallCycle: see the module.
    """

    def action(control: Control) -> Any:
        return system.replace(control, function)

    return request("replace_state", control_of(process), action, timeout)


def get_status(process: Ref[Any] | Any, *, timeout: float | None = CALL_TIMEOUT) -> Status:
    """Return what there is to know of a process (OTP's `sys:get_status/2`).

    Args:
        process: a ref, or a name.
        timeout: seconds to wait; `None` without end.

    Raises:
        CallExit, CallTimeout, CallCycle: see the module.
    """
    status: Status = request("get_status", control_of(process), system.status_of, timeout)
    return status


def suspend(process: Ref[Any] | Any, *, timeout: float | None = CALL_TIMEOUT) -> None:
    """Have a process handle nothing but system messages (OTP's `sys:suspend/2`).

    Its mail waits, calls by their deadlines, and so do the time-outs of a state machine. A stop and
    exit signals act as ever; a trapped one waits, unless it is its parent's. One that is suspended
    already stays so: a single `resume` ends it.

    Args:
        process: a ref, or a name.
        timeout: seconds to wait; `None` without end.

    Raises:
        NotSupported: `"no_suspend"`, from a process without callbacks.
        CallExit, CallTimeout, CallCycle: see the module.
    """
    request("suspend", control_of(process), system.suspend, timeout)


def resume(process: Ref[Any] | Any, *, timeout: float | None = CALL_TIMEOUT) -> None:
    """Have a suspended process handle its mail again, in its order (OTP's `sys:resume/2`).

    Args:
        process: a ref, or a name; one that is not suspended goes on as it is.
        timeout: seconds to wait; `None` without end.

    Raises:
        CallExit, CallTimeout, CallCycle: see the module.
    """
    request("resume", control_of(process), system.resume, timeout)


@overload
def statistics(
    process: Ref[Any] | Any, on: None = None, *, timeout: float | None = ...
) -> Statistics | None: ...
@overload
def statistics(process: Ref[Any] | Any, on: bool, *, timeout: float | None = ...) -> None: ...
def statistics(
    process: Ref[Any] | Any, on: bool | None = None, *, timeout: float | None = CALL_TIMEOUT
) -> Statistics | None:
    """Read the statistics of a process, or switch them on or off (OTP's `sys:statistics/3`).

    Switching on what is on changes nothing; switching off forgets the figures.

        >>> from beam.otp import Server
        >>> class Echo(Server):
        ...     def handle_call(self, message, caller):
        ...         return message
        >>> echo = Echo.start()
        >>> statistics(echo, True)
        >>> echo.ask("hello")
        'hello'
        >>> read = statistics(echo)
        >>> read.messages_in, read.messages_out, read.mailbox_high_water
        (1, 1, 1)
        >>> echo.stop()
        True

    Args:
        process: a ref, or a name.
        on: whether they are to be on; `None` to read them.
        timeout: seconds to wait; `None` without end.

    Returns:
        The figures; `None` while they are off.

    Raises:
        InvalidInput: if `on` is something else.
        CallExit, CallTimeout, CallCycle: see the module.
    """
    if not (on is None or isinstance(on, bool)):
        raise InvalidInput("on", on, "True, False, or None to read them")

    def action(control: Control) -> Statistics | None:
        if on is None:
            return system.statistics_of(control)
        system.count(control, on)
        return None

    read: Statistics | None = request("statistics", control_of(process), action, timeout)
    return read


def trace(
    process: Ref[Any] | Any,
    peer: Ref[Any] | Any = None,
    *,
    to: Callable[[TraceEvent], object] | Ref[Any] | Literal["log"] | None = None,
    limit: int | None = TRACE_LIMIT,
    timeout: float | None = CALL_TIMEOUT,
) -> Trace:
    """Trace a process, or what two processes say to each other (OTP's `sys:trace/2`, and more).

    Between two are the messages that one sends the other, and the answers to them; `Down` and
    `Exit` are from whoever has ended. What a timer sends is from nobody.

    A tracer that raises, or is a process that has ended, is taken off, and so is one that has been
    told `limit` events: a trace that was forgotten must not slow a process down for ever.

    Args:
        process: a ref, or a name.
        peer: with whom, a ref or a name; `None` for everything that the process does.
        to: a function, called with each event: in the process, before its next step, so it must be
            quick, and may be on several threads at once; a ref, told each event; `"log"`, which
            reports each as `process_traced`. `None` keeps them in a buffer: `trace.events()`.
        limit: the most events that the buffer keeps, the newest, or that another tracer is told;
            `None` for no limit.
        timeout: seconds to wait for each process; `None` without end.

    Returns:
        The trace. `stop()`, or leaving its `with` block, takes it off; so does the end of the
        process, or of both.

    Raises:
        InvalidInput: if `to` or `limit` is something else, or who is told is who is traced.
        CallExit, CallTimeout, CallCycle: see the module; nothing is traced then.
    """
    traced = [control_of(process)]
    if peer is not None:
        traced.append(control_of(peer))
    _check_tracer(to, limit, traced)
    result = Trace(to, limit)
    for control, other in zip(traced, [*traced[1:], *traced[:1]], strict=True):
        _set_on(result, control, other if peer is not None else None, timeout)
    return result


def _set_on(result: Trace, control: Control, peer: Control | None, timeout: float | None) -> None:
    if control is here.control:
        result.set_on(control, peer)  # The process that runs here, as the peer of another.
        return
    try:
        request("trace", control, lambda _: result.set_on(control, peer), timeout)
    except BaseException:
        result.stop()
        raise


def _check_tracer(to: Any, limit: Any, traced: list[Control]) -> None:
    if not (to is None or to == "log" or isinstance(to, Ref) or callable(to)):
        raise InvalidInput("to", to, 'a function, a ref, "log", or None for a buffer')
    if isinstance(to, Ref) and to.control in traced:
        raise InvalidInput("to", to, "another process than the one that is traced")
    if len(traced) == 2 and traced[0] is traced[1]:
        raise InvalidInput("peer", traced[1].ref, "another process than the one that is traced")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InvalidInput("limit", limit, "a whole number from 1, or None")


aio = Aio(
    _sys.modules[__name__],
    ("get_state", "get_status", "replace_state", "resume", "statistics", "suspend", "trace"),
)
"""The coroutine twins: `await sys.aio.get_state(ref)`, and of all the others."""
