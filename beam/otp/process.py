"""`Process`: a Pykka actor that lives by Erlang's rules.

    >>> from beam.otp import Server
    >>> class Counter(Server):
    ...     def init(self, start=0):
    ...         self.count = start
    ...     def increment(self, by=1):
    ...         self.count += by
    ...         return self.count
    >>> counter = Counter.start(10)
    >>> counter.proxy().increment(5).get()
    15
    >>> counter.stop()
    True

Start is acknowledged (G1): it returns when `init` has, or raises. The arguments of `start` go to
`init`, which runs in the new process, as all other callbacks do. `Server`, `StateMachine` and
`Supervisor` are the processes to derive from; `Process` is what they share.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Self

import pykka
from pykka import messages

from beam.errors import InvalidInput, Refused
from beam.otp.aio import AioStarts
from beam.otp.control import Control
from beam.otp.declarations import CALLBACKS, DECLARATIONS, INSTEAD
from beam.otp.future import Future
from beam.otp.limits import declared_limits
from beam.otp.mail import Continue
from beam.otp.ref import Ref
from beam.otp.spawn import RESERVED_KEYWORDS, launch
from beam.otp.turn import ask_to_end, ignore
from beam.otp.views import Inbox, Stopped

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from beam.otp.limits import Limits, Overflow
    from beam.otp.mail import Call
    from beam.otp.node import Node
    from beam.otp.signals import Monitor

__all__ = ["Process"]


class Process(pykka.Actor):
    """What every process has; see `Server` for one to derive from.

    A class that redefines a name of the framework's, has an `async def` callback, or whose `init`
    takes a reserved keyword (`name`, `id`, `restart`, `shutdown`, `significant`, `timeout`) is
    refused with `TypeError` when it is defined.
    """

    trap_exit: bool = False
    """Whether exit signals come as `Exit` messages instead of ending the process; may be changed
    by the process itself at any time."""

    blocking: ClassVar[bool | None] = None
    """What the process does with its thread. `None`: ordinary work, on the pool. `False`: no I/O,
    no sleep, calls only to such processes: an idle one is run by its caller, without a hand-over
    of threads. `True`: blocking work, on a thread of its own."""

    settable: ClassVar[Collection[str]] = ()
    """The names of the attributes that a proxy may set."""

    mailbox_limit: ClassVar[int | None] = None
    """The most messages of users that may wait; `None` for no bound. See `beam.otp.bounded`."""

    mailbox_overflow: ClassVar[Overflow] = "refuse"
    """What happens to one more: `"refuse"` raises `MailboxFull` at its sender, `"drop_oldest"` and
    `"drop_newest"` lose one."""

    long_mailbox: ClassVar[int | None] = None
    """How many messages may wait before that is an alarm; `None` for what the node says."""

    slow_handler: ClassVar[float | None] = None
    """The seconds that a handler may run before that is one; `None` for what the node says."""

    has_handlers: ClassVar[bool] = True
    renders_reports: ClassVar[bool] = False
    ref_class: ClassVar[type[Ref[Any]]] = Ref

    aio = AioStarts()
    """The coroutine twins: `await Counter.aio.start(...)`, and of `start_link`, `start_monitor`."""

    # Whether the class is one of ours: its names are reserved, and no proxy offers them.
    _framework: ClassVar[bool] = True
    _public: ClassVar[Mapping[str, Any] | None] = None
    _declared_limits: ClassVar[Limits | None] = None
    _control: Control

    def __init_subclass__(cls, *, framework: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not framework:
            _check_class(cls)
        cls._framework = framework
        cls._public = None
        cls._declared_limits = declared_limits(cls)

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        """Do nothing: a process is made by `start`, and set up in `init`."""

    def __str__(self) -> str:
        started = "_control" in vars(self)
        return str(self._control.ref) if started else f"{type(self).__name__} (not started)"

    def __repr__(self) -> str:
        return f"<{self}>"

    # Starting

    @classmethod
    def start(
        cls, *args: Any, name: Any = None, timeout: float | None = None, **kwargs: Any
    ) -> Ref[Self]:
        """Start a process that is linked to nobody; return when its `init` has returned (G1).

        What happens, in order: the process is made, registered under `name`, and `init` runs with
        the arguments, on the caller's thread unless `timeout` is given or the process has a
        thread of its own; then it takes mail.

        Args:
            *args: for `init`.
            **kwargs: for `init`.
            name: what to register it under; any hashable value but `None`.
            timeout: seconds that `init` may take; `None` without end, as in OTP.

        Returns:
            A ref to it; `None` if `init` returned `ignore`.

        Raises:
            StartError: with the reason, if `init` raised, exited or took too long.
            AlreadyStarted: if the name is taken.
            Refused: what `init` refused with.
        """
        ref: Ref[Self] = launch(cls, args, kwargs, name=name, timeout=timeout).ref
        return ref

    @classmethod
    def start_link(
        cls, *args: Any, name: Any = None, timeout: float | None = None, **kwargs: Any
    ) -> Ref[Self]:
        """Start a process linked to the one that calls; otherwise as `start`.

        Raises:
            NotAProcess: outside a process.
        """
        ref: Ref[Self] = launch(cls, args, kwargs, name=name, timeout=timeout, link=True).ref
        return ref

    @classmethod
    def start_monitor(
        cls, *args: Any, name: Any = None, timeout: float | None = None, **kwargs: Any
    ) -> tuple[Ref[Self], Monitor]:
        """Start a process monitored by the one that calls; otherwise as `start`.

        Returns:
            The ref, and the monitor that its `Down` will carry. Of a process that did not start,
            or ignored it, no `Down` comes, as with OTP's.

        Raises:
            NotAProcess: outside a process.
        """
        started = launch(cls, args, kwargs, name=name, timeout=timeout, monitor=True)
        assert started.monitor is not None
        return started.ref, started.monitor

    # Pykka's hooks for a runtime, and the attributes it documents

    @staticmethod
    def _create_actor_inbox() -> Any:
        """Refuse: the mailbox is part of the control block, made before the actor."""
        raise TypeError("a process's mailbox is made by start()")

    @staticmethod
    def _create_future() -> Future[Any]:
        """Return a future of this runtime."""
        return Future()

    def _start_actor_loop(self) -> None:
        """Refuse: a process has no loop of its own; its node's scheduler gives it turns."""
        raise TypeError("a process is started by start()")

    @property
    def actor_ref(self) -> Ref[Self]:
        """The ref of this process."""
        return self._control.ref

    @property
    def actor_urn(self) -> str:  # type: ignore[override]  # Pykka declares a plain attribute
        """The identifier of this process."""
        return self._control.ref.actor_urn

    @property
    def actor_inbox(self) -> Any:  # type: ignore[override]  # Pykka declares a plain attribute
        """The inbox of this process, with Pykka's `put` and `empty`."""
        return Inbox(self._control)

    @property
    def actor_stopped(self) -> Any:  # type: ignore[override]  # Pykka declares a plain attribute
        """Pykka's event of the end; its `is_set()` says whether this process has ended."""
        return Stopped(self._control)

    # What a process does with itself

    @property
    def node(self) -> Node:
        """The node that this process lives in."""
        return self._control.node

    def stop(self, reason: Any = "normal") -> None:
        """End with `reason` after this handler, before the next message; `terminate` is called.

        What the handler returns is still the answer to its call, as with OTP's
        `{stop, Reason, Reply, State}`.
        """
        ask_to_end(self._control, reason)

    def continue_with(self, message: Any) -> None:
        """Have `handle_continue(message)` called before the next message; in order, if twice."""
        mailbox, at = self._control.mailbox, 0
        while at < len(mailbox) and type(mailbox[at]) is Continue:
            at += 1
        mailbox.insert(at, Continue(message))

    def send_after(self, delay: float, message: Any, to: Ref[Any] | None = None) -> Any:
        """Send `message` to `to`, or to this process, after `delay` seconds; see `Timer`."""
        return self._control.node.send_after(delay, to or self._control.ref, message)

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of the node's time; an exit signal ends the wait, and the process.

        Meant for processes with nothing else to do: mail waits meanwhile.
        """
        self._control.node.sleep(seconds)

    def time_left(self) -> float | None:
        """Return the seconds that are left for what this process is doing; see `Ref.time_left`.

        >>> from beam.otp import Refused, Server
        >>> class Kitchen(Server):
        ...     def cook(self, seconds):
        ...         left = self.time_left()
        ...         if left is not None and left < seconds:
        ...             raise Refused("too_late")
        ...         return "dinner"
        >>> kitchen = Kitchen.start()
        >>> kitchen.proxy().cook(1.0).get(timeout=5.0)
        'dinner'
        >>> try:
        ...     kitchen.proxy().cook(60.0).get(timeout=5.0)
        ... except Refused as refused:
        ...     refused.reason
        'too_late'
        >>> kitchen.stop()
        True
        """
        return self._control.time_left()

    # Callbacks

    def init(self, *args: Any, **kwargs: Any) -> Any:
        """Set the process up, with the arguments of `start`; runs in the new process.

        Returns:
            `None`, or `ignore` if there is nothing to do. (A state machine returns its state.)
        """

    def terminate(self, reason: Any) -> None:
        """Clean up before the process ends with `reason`.

        Called when the process stops, crashes, or its parent ends it while it traps exits; not
        when an exit signal ends it that it does not trap, as in OTP. What it raises becomes the
        exit reason.
        """

    # The framework's side of them, called by the process's turn

    def _init(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _started(self.init(*args, **kwargs))

    def _terminate(self, reason: Any) -> None:
        self.terminate(reason)

    def _receive_call(self, call: Call) -> Any:
        raise NotImplementedError

    def _receive_cast(self, message: Any) -> None:
        raise NotImplementedError

    def _receive_info(self, message: Any) -> None:
        raise NotImplementedError

    def _receive_continue(self, message: Any) -> None:
        raise NotImplementedError

    # Proxies

    @classmethod
    def public_names(cls) -> Mapping[str, Any]:
        """Return what the user's classes define for the outside, by name; read once a class."""
        if cls._public is None:
            public: dict[str, Any] = {}
            for kind in reversed(cls.__mro__):
                if not _is_framework(kind):
                    public.update(vars(kind))
            ours = CALLBACKS | DECLARATIONS
            cls._public = {
                name: value
                for name, value in public.items()
                if name[0] != "_" and name not in ours and not _is_state(value)
            }
        return cls._public

    def _receive_proxy(self, message: Any) -> Any:
        """Do what a proxy asks for."""
        path = message[0]
        name = path[0]
        # Looked at first without the call, which takes as long as all else here.
        if (
            (self._public is None or name not in self._public)
            and name not in self.public_names()
            and name not in self.__dict__
        ):
            raise Refused("no_attribute", process_class=type(self).__name__, name=name)
        holder: Any = self
        if len(path) > 1:
            for step in path[:-1]:
                holder = getattr(holder, step)
            name = path[-1]
        if type(message) is messages.ProxyCall:
            return getattr(holder, name)(*message[1], **message[2])
        if type(message) is messages.ProxyGetAttr:
            return getattr(holder, name)
        setattr(holder, name, message.value)
        return None


def _started(result: Any) -> Any:
    """Return `None` if `init` started the process, or the `ignore` that it returned."""
    if result is None or result is ignore:
        return result
    raise InvalidInput("init", result, "None or ignore as what it returns")


def _is_framework(kind: type) -> bool:
    return bool(vars(kind).get("_framework", not issubclass(kind, Process) and kind in _ROOTS))


# What `Process` itself derives from.
_ROOTS = frozenset(Process.__mro__)


def _is_state(value: Any) -> bool:
    # A mock of a method has every attribute that it is asked for.
    return isinstance(getattr(value, "_beam_state", None), bool)


def _check_class(cls: type[Process]) -> None:
    """Refuse a class that would not work, by name, when it is defined."""
    if "__init__" in vars(cls):
        raise TypeError(f"{cls.__name__} defines '__init__', which no process runs; use 'init'")
    if isinstance(cls.settable, str):
        raise TypeError(f"{cls.__name__}.settable is a str; expected a collection of names")
    if not (cls.blocking is None or isinstance(cls.blocking, bool)):
        raise TypeError(f"{cls.__name__}.blocking is {cls.blocking!r}; expected None or a bool")
    users = [kind for kind in cls.__mro__ if not _is_framework(kind)]
    for kind in users:
        # What it derives from has been checked; what it mixes in has not.
        if kind is cls or not issubclass(kind, Process):
            for name, value in vars(kind).items():
                _check_name(cls, name, value)
    if any("init" in vars(kind) for kind in users):
        taken = RESERVED_KEYWORDS.intersection(inspect.signature(cls.init).parameters)
        if taken:
            raise TypeError(f"{cls.__name__}.init takes the reserved keyword {min(taken)!r}")


def _check_name(cls: type[Process], name: str, value: Any) -> None:
    if name in CALLBACKS:
        if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
            raise TypeError(f"{cls.__name__}.{name} is async; callbacks are plain functions")
    elif name not in DECLARATIONS and not name.startswith("__") and _is_reserved(cls, name):
        instead = f"; use {INSTEAD[name]!r}" if name in INSTEAD else ""
        raise TypeError(f"{cls.__name__} redefines {name!r}, a name of the framework's{instead}")


def _is_reserved(cls: type[Process], name: str) -> bool:
    if name == "_abc_impl":  # Every class has its own.
        return False
    return any(
        name in vars(kind) for kind in cls.__mro__[1:] if _is_framework(kind) and kind is not object
    )
