"""System messages: requests to a process itself, whatever its callbacks are.

They are mail, handled in their place, by a suspended process too; one that hangs answers none. What
a request raises goes to whoever made it, and the process lives, as with OTP's `sys`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from beam.errors import CallExit, InvalidInput, NotSupported, Refused
from beam.otp.clock import deadline_after
from beam.otp.context import current_node, here, warn_if_on_loop
from beam.otp.control import Control
from beam.otp.counting import Counting, Statistics
from beam.otp.function import FunctionProcess
from beam.otp.future import Future
from beam.otp.mail import System
from beam.otp.node import check_name
from beam.otp.observed import Observed, unobserve
from beam.otp.process import Process
from beam.otp.ref import Ref
from beam.otp.registry import Registry
from beam.otp.statem import StateMachine
from beam.otp.supervisor_process import SupervisorProcess
from beam.otp.tree import survey_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "State",
    "Status",
    "control_of",
    "count",
    "replace",
    "request",
    "resume",
    "state_of",
    "statistics_of",
    "status_of",
    "suspend",
]

# What is not the user's among the attributes of a process.
_OURS = frozenset({"_control", "_engine", "_keeper", "trap_exit"})


class State(NamedTuple):
    """What `get_state` returns of a state machine (OTP's `{State, Data}`).

    Attributes:
        state: the name of its state, where states are methods; else the state itself.
        data: its attributes.
    """

    state: Any
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """What `get_status` returns.

    Attributes:
        process: its ref.
        process_class: its class.
        name: what it is registered under; `None` if under nothing.
        parent: who started it; `None` if that was no process, or has ended.
        suspended: whether it is suspended.
        trap_exit: whether exit signals come as messages.
        mailbox: how many messages wait, those that were put aside while it is suspended too.
        mailbox_limit: the most of users' that may; `None` for no bound.
        refused: how many it has refused, as its mailbox was full.
        dropped: how many it has dropped for that.
        links: who is linked to it.
        monitors: how many monitors it has set.
        watchers: how many watch it.
        state: as `get_state`; `None` of a process that has none to show.
        statistics: as `statistics`; `None` while they are off.
        traces: how many traces are set on it.
    """

    process: Ref[Any]
    process_class: type
    name: Any
    parent: Ref[Any] | None
    suspended: bool
    trap_exit: bool
    mailbox: int
    mailbox_limit: int | None
    refused: int
    dropped: int
    links: tuple[Ref[Any], ...]
    monitors: int
    watchers: int
    state: Any
    statistics: Statistics | None
    traces: int


# Asking


def control_of(process: Ref[Any] | Any) -> Control:
    """Return the control block of a process, by its ref or its name in the current node.

    Raises:
        CallExit: `"noproc"`, if no process has the name.
        InvalidInput: if it cannot be a name.
    """
    if isinstance(process, Ref):
        return process.control
    check_name(process)
    control = current_node().names.get(process)
    if control is None:
        raise CallExit("noproc", process)
    return control


def request(
    name: str, control: Control, action: Callable[[Control], Any], timeout: float | None
) -> Any:
    """Have a process do `action(control)` in its place among its mail; return what that returns.

    Raises:
        CallExit: if it is dead, or dies before it comes to it.
        CallTimeout: if it does not come to it within `timeout` seconds.
        CallCycle: if it is the one that asks, or waits for it.
    """
    warn_if_on_loop(f"sys.{name}()", f"sys.aio.{name}(...)")
    deadline = deadline_after(control.node.clock, timeout)
    future: Future[Any] = Future(control, deadline, timeout)
    me = here.control
    if me is None:
        control.post(System(action, future))
        future.park(None)
        return future.result()
    me.begin_wait(future)
    try:
        control.post(System(action, future))
        future.park(me)
    finally:
        me.end_wait()
    return future.result()


# What a process does when it comes to the request


def state_of(control: Control) -> Any:
    """Return the state of the process that runs here.

    Raises:
        NotSupported: `"no_state"`, if it has none to show.
    """
    actor = control.actor
    if isinstance(actor, SupervisorProcess):
        return actor._keeper.which_children()
    if not isinstance(actor, Process) or isinstance(actor, (FunctionProcess, Registry)):
        raise NotSupported("no_state", process=str(control.ref))
    attributes = {name: value for name, value in vars(actor).items() if name not in _OURS}
    if isinstance(actor, StateMachine):
        return State(actor._state_name(actor.state), attributes)
    return attributes


def replace(control: Control, function: Callable[[Any], Any]) -> Any:
    """Replace the state by what `function` makes of it: all of it, or nothing."""
    actor = control.actor
    if isinstance(actor, SupervisorProcess):
        raise NotSupported("no_replace_state", process=str(control.ref))
    state = state_of(control)
    try:
        replaced = function(state)
    except Exception:
        raise
    except BaseException as error:
        raise Refused("callback_failed", error=error) from error
    if not isinstance(actor, StateMachine):
        attributes = _checked(replaced, replaced)
    elif isinstance(replaced, tuple) and len(replaced) == 2:
        attributes = _checked(replaced[1], replaced)
        actor._put_state(replaced[0])
    else:
        raise InvalidInput("function", replaced, "a pair of state and attributes to be returned")
    for name in [name for name in vars(actor) if name not in _OURS]:
        del vars(actor)[name]
    vars(actor).update(attributes)
    return replaced


def _checked(attributes: Any, replaced: Any) -> dict[str, Any]:
    """Return the attributes, if a process can have them."""
    usable = isinstance(attributes, Mapping) and all(
        isinstance(name, str) and name not in _OURS for name in attributes
    )
    if not usable:
        raise InvalidInput("function", replaced, "a dict of attributes by name to be returned")
    return dict(attributes)


def status_of(control: Control) -> Status:
    """Return the status of the process that runs here."""
    actor, parent = control.actor, control.parent
    try:
        state = state_of(control)
    except NotSupported:
        state = None
    observed = control.receiver if isinstance(control.receiver, Observed) else None
    lookers = observed.lookers if observed is not None else ()
    refused, dropped = control.lost()
    with control.node.lock:
        links = tuple(one.ref for one in control.links or ())
        watchers, monitors = len(control.watchers or ()), len(control.monitors or ())
    return Status(
        process=control.ref,
        process_class=control.ref.actor_class,
        name=control.name,
        parent=parent.ref if parent is not None and parent.alive else None,
        suspended=observed is not None and observed.suspended,
        trap_exit=actor.trap_exit,
        mailbox=control.count(),
        mailbox_limit=getattr(control.mailbox, "limit", None),
        refused=refused,
        dropped=dropped,
        links=links,
        monitors=monitors,
        watchers=watchers,
        state=state,
        statistics=statistics_of(control),
        traces=sum(1 for one in lookers if one.is_trace),
    )


def suspend(control: Control) -> None:
    """Handle only system messages from now on."""
    if isinstance(control.actor, FunctionProcess) or not isinstance(control.actor, Process):
        raise NotSupported("no_suspend", process=str(control.ref))
    Observed.of(control).suspend()


def resume(control: Control) -> None:
    """Handle all mail again."""
    if isinstance(control.receiver, Observed):
        control.receiver.resume()
        unobserve(control)


def _counting(control: Control) -> Counting | None:
    if isinstance(control.receiver, Observed):
        for looker in control.receiver.lookers:
            if isinstance(looker, Counting):
                return looker
    return None


def count(control: Control, on: bool) -> None:
    """Switch the statistics on or off; nothing, if that is what they are."""
    counting = _counting(control)
    if on and counting is None:
        Observed.of(control).add(Counting(control))
    elif not on and counting is not None:
        assert isinstance(control.receiver, Observed)
        control.receiver.remove(counting)
        unobserve(control)


def statistics_of(control: Control) -> Statistics | None:
    """Return the statistics; `None` while they are off."""
    counting = _counting(control)
    if counting is None:
        return None
    survey = survey_of(control)
    window = survey.window if survey is not None else None
    return counting.read(window.used if window is not None else None)
