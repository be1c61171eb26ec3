"""What supervisors of every kind are, as processes: mail comes in, a keeper of children acts.

The keeper knows the children and the rules; the process around it receives, calls it and answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from beam.errors import Exited, InvalidSpec, SupervisorRefused
from beam.otp.mail import Cast
from beam.otp.process import Process
from beam.otp.reasons import Exit
from beam.otp.reports import report, shown
from beam.otp.supervisor_ref import Request, SupervisingRef
from beam.otp.turn import ask_to_end, ignore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.otp.control import Control
    from beam.otp.mail import Call
    from beam.otp.ref import Ref
    from beam.otp.signals import Monitor
    from beam.otp.supervision import ChildInfo, Survey

__all__ = ["Keeper", "SupervisorProcess", "TryAgain", "give_up_supervising", "try_again"]

R = TypeVar("R", bound=SupervisingRef[Any])

# What a supervisor's class may not define: all it does is supervise.
_NOT_FOR_USERS = (
    "handle_call",
    "handle_cast",
    "handle_continue",
    "handle_info",
    "mailbox_limit",
    "terminate",
)


class Keeper(Protocol):
    """The children of one supervisor, and the rules by which they are kept.

    Besides these, a keeper has the functions that the supervisor's ref offers.
    """

    def start_children(self) -> None:
        """Start the children that are there from the beginning.

        Raises:
            Exited: with the reason why the supervisor does not start; nothing is left running.
        """
        ...

    def starts_in_place(self, args: tuple[Any, ...]) -> bool:
        """Return whether `start_child(*args)` may run on its caller's thread; any thread asks."""
        ...

    def child_exited(self, process: Ref[Any], reason: Any) -> None:
        """Do what the end of a linked process calls for; it may be no child."""
        ...

    def try_again(self, what: Any) -> None:
        """Try a restart again that failed, or whose time has come."""
        ...

    def end_children(self) -> None:
        """End all children, as the supervisor ends."""
        ...

    def survey(self, now: float) -> Survey:
        """Return what is known of the children at `now`; any thread asks, at any time."""
        ...

    def which_children(self) -> list[ChildInfo]:
        """Return a line for each child."""
        ...


class TryAgain:
    """A supervisor's message to itself: try this restart again (OTP's `try_again_restart`)."""

    __slots__ = ("what",)

    def __init__(self, what: Any) -> None:
        self.what = what


def try_again(me: Control, what: Any) -> None:
    """Have the supervisor try a restart again, after the mail that it has already."""
    me.post(Cast(TryAgain(what)))


def give_up_supervising(me: Control) -> None:
    """End the supervisor with `"shutdown"`, and its children with it, after this message."""
    ask_to_end(me, "shutdown")


class SupervisorProcess(Process, Generic[R], framework=True):
    """A process that supervises; see `Supervisor` and `DynamicSupervisor`."""

    trap_exit = True
    renders_reports: ClassVar[bool] = True
    ref_class: ClassVar[type[Ref[Any]]] = SupervisingRef

    _keeper: Keeper

    def __init_subclass__(cls, *, framework: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(framework=framework, **kwargs)
        for name in _NOT_FOR_USERS:
            if name in vars(cls):
                raise TypeError(f"{cls.__name__} defines {name!r}; a supervisor only supervises")

    # Starting: as Process's, with what is wrong in the arguments refused before anything starts

    @classmethod
    def start(cls, *args: Any, name: Any = None, timeout: float | None = None, **kwargs: Any) -> R:
        """Start a supervisor and its children; return when all of them have started.

        Args:
            *args: for `init`.
            name: what to register it under.
            timeout: seconds that all this may take; `None` without end, as in OTP.
            **kwargs: for `init`.

        Returns:
            A ref to it; `None` if `init` returned `ignore`.

        Raises:
            InvalidSpec: if a flag or a specification is not what it must be.
            StartError: `("shutdown", ("failed_to_start_child", id, reason))` if a child did not
                start; the others have been ended again. Else why `init` failed: an `InvalidSpec`
                in there becomes its reason.
            AlreadyStarted: if the name is taken.
        """
        args, kwargs = cls._checked(args, kwargs)
        ref: Any = super().start(*args, name=name, timeout=timeout, **kwargs)
        return ref  # type: ignore[no-any-return]  # made by ref_class

    @classmethod
    def start_link(
        cls, *args: Any, name: Any = None, timeout: float | None = None, **kwargs: Any
    ) -> R:
        """Start a supervisor linked to the process that calls; otherwise as `start`.

        Raises:
            NotAProcess: outside a process.
        """
        args, kwargs = cls._checked(args, kwargs)
        ref: Any = super().start_link(*args, name=name, timeout=timeout, **kwargs)
        return ref  # type: ignore[no-any-return]  # made by ref_class

    @classmethod
    def start_monitor(
        cls, *args: Any, name: Any = None, timeout: float | None = None, **kwargs: Any
    ) -> tuple[R, Monitor]:
        """Start a supervisor monitored by the process that calls; otherwise as `start`.

        Raises:
            NotAProcess: outside a process.
        """
        args, kwargs = cls._checked(args, kwargs)
        started: Any = super().start_monitor(*args, name=name, timeout=timeout, **kwargs)
        return started  # type: ignore[no-any-return]  # made by ref_class

    @classmethod
    def _checked(
        cls, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments for `init`, if they are right; those of users' are theirs."""
        return args, kwargs

    def _keep(self, plan: Any) -> Keeper:
        """Return the keeper for what `init` returned.

        Raises:
            InvalidSpec: if that is not what it must be.
        """
        raise NotImplementedError

    # The process

    @classmethod
    def public_names(cls) -> Mapping[str, Any]:
        """Return nothing: a supervisor is called through the methods of its ref."""
        return {}

    def starts_in_place(self, args: tuple[Any, ...]) -> bool:
        """Return whether `start_child(*args)` may run on its caller's thread."""
        keeper: Keeper | None = vars(self).get("_keeper")  # Not yet there while `init` runs.
        return keeper is not None and keeper.starts_in_place(args)

    def _init(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            plan = self.init(*args, **kwargs)
            if plan is ignore:
                return ignore
            self._keeper = self._keep(plan)
        except InvalidSpec as invalid:
            raise Exited(_start_reason(invalid.reason)) from invalid
        self._keeper.start_children()
        return None

    def _terminate(self, _reason: Any) -> None:
        self._keeper.end_children()

    def _receive_call(self, call: Call) -> Any:
        request = call.message
        if type(request) is not Request:
            raise SupervisorRefused("unknown_request", message=shown(request))
        try:
            return getattr(self._keeper, request.function)(*request.args, **request.kwargs)
        except InvalidSpec as invalid:
            raise SupervisorRefused(
                invalid.reason, field=invalid.field, expected=invalid.expected
            ) from invalid

    def _receive_cast(self, message: Any) -> None:
        self._receive_info(message)

    def _receive_info(self, message: Any) -> None:
        if type(message) is Exit:
            try:
                self._keeper.child_exited(message.process, message.reason)
            finally:
                message.process.control.release_report()
        elif type(message) is TryAgain:
            self._keeper.try_again(message.what)
        else:
            report("warning", "unexpected_message", process=str(self), message=shown(message))


def _start_reason(reason: Any) -> Any:
    """Return the reason of a supervisor whose `init` met a bad specification or bad flags."""
    known = ("bad_return", "bad_start_spec", "start_spec", "supervisor_data")
    if isinstance(reason, tuple) and reason[0] in known:
        return reason
    return ("start_spec", reason)
