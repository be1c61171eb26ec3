"""Refs of supervisors: their functions, as plain methods that wait for the answer.

Starting, ending and restarting a child has no deadline unless one is given, as in OTP; the
questions have the usual 5 s. What a supervisor declines, it declines with `SupervisorRefused`,
whose `reason` is OTP's term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar

from beam.otp.aio import Aio
from beam.otp.context import blocking_form, here, running_loop, warn_if_on_loop
from beam.otp.control import Control
from beam.otp.future import Future
from beam.otp.mail import Call
from beam.otp.ref import CALL_TIMEOUT, Ref, run_here
from beam.otp.stopping import StopReport, stop_tree
from beam.otp.tree import Branch, branch_of
from beam.otp.turn import runs_on_top

if TYPE_CHECKING:
    from types import TracebackType

    from beam.otp.child import ChildSpec
    from beam.otp.process import Process
    from beam.otp.supervision import ChildInfo, Counts

__all__ = ["DynamicSupervisorRef", "Request", "SupervisingRef", "SupervisorRef"]

A = TypeVar("A", bound="Process")


class Request(NamedTuple):
    """A call of one of a supervisor's functions."""

    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class SupervisingRef(Ref[A]):
    """What the refs of all supervisors offer.

    As a context manager it stops the supervisor with `"shutdown"`, and waits for that.
    """

    __slots__ = ()

    _twins: ClassVar[tuple[str, ...]] = (
        "count_children",
        "get_childspec",
        "start_child",
        "stop",
        "stop_within",
        "terminate_child",
        "which_children",
    )

    @property
    def aio(self) -> Aio:
        """The coroutine twins of this supervisor's functions."""
        return Aio(self, self._twins)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(reason="shutdown")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop(block=False, reason="shutdown")

    def start_child(self, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Start a child, and have it supervised (OTP's `supervisor:start_child/2`).

        Args:
            *args: a `ChildSpec`. Under `simple_one_for_one`: more arguments for the child's
                `init`, after those of the template.
            timeout: seconds to wait for the answer; `None` without end.
            **kwargs: under `simple_one_for_one`, more arguments by name.

        Returns:
            Its ref; `(ref, info)` if its start function returned that; `None` if its `init`
            returned `ignore`.

        Raises:
            SupervisorRefused: `"already_present"`, `("already_started", ref)`, `"max_children"`,
                what is wrong with the specification, or why the child did not start:
                `(reason, spec)`, and `reason` alone from a dynamic supervisor.
            CallExit: if the supervisor is dead.

        An `init` that needs no thread of its own runs on the thread that asks, if the supervisor
        of dynamic children is idle: that thread waits for it anyway.
        """
        actor: Any = self.control.actor
        in_place = (
            timeout is None
            and actor is not None
            and not self.control.node.scheduler.own_threads
            and actor.starts_in_place(args)
        )
        return _call(self.control, Request("start_child", args, kwargs), timeout, in_place)

    def terminate_child(self, child: Any, *, timeout: float | None = None) -> None:
        """End a child (OTP's `supervisor:terminate_child/2`); return when it has ended.

        Its specification stays, unless it is temporary or the supervisor's children are dynamic.

        Args:
            child: its id; its ref, if the children are dynamic.
            timeout: seconds to wait for the answer; `None` without end.

        Raises:
            SupervisorRefused: `"not_found"`, `"simple_one_for_one"`, `"ambiguous_id"`.
            CallExit: if the supervisor is dead.
        """
        self._call("terminate_child", (child,), timeout)

    def get_childspec(self, child: Any, *, timeout: float | None = CALL_TIMEOUT) -> ChildSpec:
        """Return the specification of a child (OTP's `supervisor:get_childspec/2`).

        Args:
            child: its id; or its ref, if the children are dynamic.
            timeout: seconds to wait for the answer; `None` without end.

        Raises:
            SupervisorRefused: `"not_found"`.
            CallExit: if the supervisor is dead.
        """
        spec: ChildSpec = self._call("get_childspec", (child,), timeout)
        return spec

    def which_children(self, *, timeout: float | None = CALL_TIMEOUT) -> list[ChildInfo]:
        """Return a line for each child, last started first (OTP's `which_children/1`).

        Raises:
            CallExit: if the supervisor is dead.
        """
        children: list[ChildInfo] = self._call("which_children", (), timeout)
        return children

    def count_children(self, *, timeout: float | None = CALL_TIMEOUT) -> Counts:
        """Return how many children there are (OTP's `count_children/1`).

        Raises:
            CallExit: if the supervisor is dead.
        """
        counts: Counts = self._call("count_children", (), timeout)
        return counts

    def tree(self) -> Branch:
        """Return the supervision tree from here down, as data that prints as text.

        Reads, from any thread, and asks nobody: it is there at once, also if supervisors are busy
        or hang.
        """
        name = self.control.name
        return branch_of(self.actor_class.__name__ if name is None else name, self)

    def stop_within(self, seconds: float) -> StopReport:
        """Stop the supervisor and all below it with `"shutdown"`, and return within `seconds`.

        In OTP's order, as `stop`; but the children's own shutdown times give way to what there is,
        parted among them in proportion. What has not ended when the time is over is killed, all at
        once, and given up if its handler does not end (G9); that takes 0.3 s more at most, however
        many hang.

        Args:
            seconds: what it may take, of the node's time.

        Returns:
            How many ended, and who had to be killed or was given up, after how long, and where its
            handler stands.

        Raises:
            CallCycle: if the process that calls is in the tree.
            InvalidInput: if `seconds` is no number of seconds; nothing has been stopped.
        """
        with blocking_form("Supervisor.stop_within()", "supervisor.aio.stop_within(...)"):
            return stop_tree(self.control, seconds)

    def _call(self, function: str, args: tuple[Any, ...], timeout: float | None) -> Any:
        return _call(self.control, Request(function, args, {}), timeout)


class SupervisorRef(SupervisingRef[A]):
    """The ref of a `Supervisor`."""

    __slots__ = ()

    _twins = (*SupervisingRef._twins, "delete_child", "restart_child")

    def restart_child(self, child_id: Any, *, timeout: float | None = None) -> Any:
        """Start a child again that does not run (OTP's `supervisor:restart_child/2`).

        Args:
            child_id: its id.
            timeout: seconds to wait for the answer; `None` without end.

        Returns:
            As `start_child`.

        Raises:
            SupervisorRefused: `"running"`, `"restarting"`, `"not_found"`,
                `"simple_one_for_one"`, or why it did not start.
            CallExit: if the supervisor is dead.
        """
        return self._call("restart_child", (child_id,), timeout)

    def delete_child(self, child_id: Any, *, timeout: float | None = CALL_TIMEOUT) -> None:
        """Forget a child that does not run (OTP's `supervisor:delete_child/2`).

        Raises:
            SupervisorRefused: `"running"`, `"restarting"`, `"not_found"`, `"simple_one_for_one"`.
            CallExit: if the supervisor is dead.
        """
        self._call("delete_child", (child_id,), timeout)


class DynamicSupervisorRef(SupervisingRef[A]):
    """The ref of a `DynamicSupervisor`."""

    __slots__ = ()

    _twins = (*SupervisingRef._twins, "release")

    def release(self, child: Any, *, timeout: float | None = None) -> Any:
        """Let a child out of quarantine, with a new budget, and start it.

        Args:
            child: its id, or the ref that it had last.
            timeout: seconds to wait for the answer; `None` without end.

        Returns:
            As `start_child`.

        Raises:
            SupervisorRefused: `"not_found"`, `"running"`, `"restarting"`, `"ambiguous_id"`, or
                why it did not start; then it stays in quarantine.
            CallExit: if the supervisor is dead.
        """
        return self._call("release", (child,), timeout)


def _call(control: Control, request: Request, timeout: float | None, in_place: bool = False) -> Any:
    """Call a supervisor and wait; with `in_place`, it runs on this thread if it is idle."""
    if running_loop() is not None:
        name = request.function
        warn_if_on_loop(f"Supervisor.{name}()", f"supervisor.aio.{name}(...)")
    deadline = None if timeout is None else control.node.clock.now() + timeout
    future: Future[Any] = Future(control, deadline, timeout)
    me = here.control
    if me is not None:
        me.begin_wait(future)
    try:
        _send(control, Call(request, future, control, me), me, in_place)
        if not future.done:
            future.park(me)
    finally:
        if me is not None:
            me.end_wait()
    return future.result()


def _send(control: Control, call: Call, me: Control | None, in_place: bool) -> None:
    if in_place and runs_on_top(control, me):
        # No longer than for the answer: other mail, and other waits, are none of the caller's.
        run_here(control, call, me)
    else:
        control.post(call)
