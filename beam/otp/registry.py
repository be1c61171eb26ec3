"""`Registry`: processes by key, Elixir's Registry: names of any kind, groups, topics.

A node has names already (`register`, `whereis`), one for a process. A registry is a room of its
own: a process may have any number of keys in it, each with a value.

    >>> from beam.otp import Mailbox, Server, exit, monitor
    >>> class Shelf(Server):
    ...     def init(self, shelves, number):
    ...         shelves.register(("shelf", number), value=number * 100)
    >>> with Registry.start(name="shelves") as shelves:
    ...     third = Shelf.start(shelves, 3)
    ...     shelves.whereis(("shelf", 3)) is third, shelves.lookup(("shelf", 3)) == [(third, 300)]
    (True, True)

With `keys="unique"`, the default, a key has one holder. With `keys="duplicate"` any number of
processes may hold it, one of them several times: a group, or the subscribers of a topic.

    >>> with Registry.start(keys="duplicate") as topics, Mailbox() as me:
    ...     topics.register("news")
    ...     topics.broadcast("news", "it rains"), me.receive(timeout=5.0)
    (1, 'it rains')

Keys are hashable values, equal as in a dict: 1, 1.0 and True are one key. What is promised:

- The entries of a process vanish with it, before any link or monitor hears of its death (G5):
  whoever has got its `Down` finds none of them.
- Reading takes no lock and passes through no mailbox, so it may be done anywhere, in an event
  loop too. What was found may be out of date in the next moment, as everywhere among processes.
- A registry runs no code of its users', so it does not crash. If it is ended, the entries are
  gone, the processes live, and every operation raises `CallExit`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

from beam.errors import (
    AlreadyExists,
    CallExit,
    InvalidInput,
    MailboxFull,
    NotAProcess,
    NotFound,
    NotSupported,
)
from beam.otp.context import here
from beam.otp.control import Control, Life
from beam.otp.entries import Entries
from beam.otp.interrupt import hold
from beam.otp.mail import Info
from beam.otp.process import Process
from beam.otp.ref import Ref
from beam.otp.reports import report, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from beam.otp.mail import Call
    from beam.otp.signals import Monitor

__all__ = ["Keys", "Registry", "RegistryRef"]

Keys: TypeAlias = Literal["unique", "duplicate"]


class RegistryRef(Ref[Any]):
    """The ref of a registry: its functions, as plain methods.

    None of them waits for anybody. As a context manager it stops the registry.

    Each raises `CallExit` (`"noproc"`) if the registry has ended, and `InvalidInput` if the key
    cannot be hashed.
    """

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(reason="shutdown")

    # Changing

    def register(self, key: Any, value: Any = None, *, process: Ref[Any] | None = None) -> None:
        """Register a process under `key`; the entry goes when the process does.

        Args:
            key: any hashable value.
            value: what to keep with it.
            process: whom; the process that calls unless given.

        Raises:
            AlreadyExists: `"already_registered"`, if keys are unique and a process has this one;
                `holder` is that process, which may be the same.
            NotFound: `"noproc"`, if the process is dead.
            NotAProcess: if none is given, outside a process.
        """
        entries, holder = self._entries(key), _holder(process, "Registry.register")
        held = hold()
        try:
            with holder.node.lock:
                if entries.closed:
                    raise CallExit("noproc", self)
                if holder.life is Life.DEAD:
                    raise NotFound("noproc", key=key)
                taken = entries.add(holder, key, value)
        finally:
            if held is not None:
                held.release()
        if taken is not None:
            raise AlreadyExists("already_registered", key=key, holder=taken.holder.ref)

    def unregister(self, key: Any, *, process: Ref[Any] | None = None) -> int:
        """Take back what a process has registered under `key`.

        Args:
            key: the key.
            process: whose; the process that calls unless given.

        Returns:
            How many entries there were; 0 if it had none.

        Raises:
            NotAProcess: if none is given, outside a process.
        """
        entries, holder = self._entries(key), _holder(process, "Registry.unregister")
        held = hold()
        try:
            with holder.node.lock:
                return entries.remove(holder, key)
        finally:
            if held is not None:
                held.release()

    def update(self, key: Any, function: Callable[[Any], Any]) -> Any:
        """Replace the value that the process that calls has under a unique `key`.

        Args:
            key: the key.
            function: is given the value that is there, and returns the new one; runs here.

        Returns:
            The new value.

        Raises:
            NotFound: `"not_registered"`, if the process does not hold the key.
            NotSupported: `"duplicate_keys"`, if keys are not unique.
            NotAProcess: outside a process.
        """
        entries, holder = self._entries(key), _holder(None, "Registry.update")
        if not entries.unique:
            raise NotSupported("duplicate_keys", key=key)
        for entry in entries.of_key(key):
            if entry.holder is holder:
                entry.value = function(entry.value)
                return entry.value
        raise NotFound("not_registered", key=key)

    # Reading

    def whereis(self, key: Any) -> Ref[Any] | None:
        """Return the process that holds a unique `key`, `None` if there is none.

        Raises:
            NotSupported: `"duplicate_keys"`, if keys are not unique.
        """
        entries = self._entries(key)
        if not entries.unique:
            raise NotSupported("duplicate_keys", key=key)
        found = entries.of_key(key)
        return found[0].holder.ref if found else None

    def lookup(self, key: Any) -> list[tuple[Ref[Any], Any]]:
        """Return the processes that hold `key`, with their values, in the order of registration."""
        return [(entry.holder.ref, entry.value) for entry in self._entries(key).of_key(key)]

    def keys(self, process: Ref[Any] | None = None) -> list[Any]:
        """Return the keys of a process, in the order of registration.

        Args:
            process: whose; those of the process that calls unless given. A key that it holds
                several times is there as often.

        Raises:
            NotAProcess: if none is given, outside a process.
        """
        holder = _holder(process, "Registry.keys")
        return [entry.key for entry in self._entries().of_holder(holder)]

    def entries(self) -> list[tuple[Any, Ref[Any], Any]]:
        """Return every entry: its key, process and value; each process's are together.

        For searches; a comprehension says what Elixir's match specifications do.
        """
        return [(entry.key, entry.holder.ref, entry.value) for entry in self._entries().all()]

    def count(self) -> int:
        """Return how many entries there are."""
        return len(self._entries())

    # Sending

    def dispatch(self, key: Any, function: Callable[[list[tuple[Ref[Any], Any]]], object]) -> int:
        """Hand all that `lookup(key)` finds to `function`, unless that is nothing.

        Args:
            key: the key.
            function: is called here, once; what it raises is raised.

        Returns:
            How many entries there were.
        """
        found = self.lookup(key)
        if found:
            function(found)
        return len(found)

    def broadcast(self, key: Any, message: Any) -> int:
        """Send `message` to every process that holds `key`, once for each entry.

        It comes as a plain message (`handle_info`). A process that dies meanwhile does not get it,
        as no message to the dead is got, nor does one whose mailbox is full; nobody else misses it
        for that.

        Returns:
            How many entries there were.
        """
        found = self._entries(key).of_key(key)
        for entry in found:
            with contextlib.suppress(MailboxFull):
                entry.holder.post(Info(message))
        return len(found)

    def _entries(self, key: Any = None) -> Entries:
        """Return what the registry holds, if it lives and `key` can be one."""
        try:
            hash(key)
        except TypeError:
            raise InvalidInput("key", key, "a hashable value") from None
        registry: Registry | None = self.control.actor
        entries: Entries | None = vars(registry).get("_entries") if registry is not None else None
        if entries is None or entries.closed:
            raise CallExit("noproc", self)
        return entries


def _holder(process: Ref[Any] | None, operation: str) -> Control:
    if process is not None:
        return process.control
    if here.control is None:
        raise NotAProcess(operation)
    return here.control


class Registry(Process, framework=True):
    """A process that holds a registry; all is done with its ref, a `RegistryRef`."""

    blocking = False
    ref_class: ClassVar[type[Ref[Any]]] = RegistryRef

    _entries: Entries

    def init(self, keys: Keys = "unique") -> None:
        """Begin without entries.

        Args:
            keys: whether a key has one holder (`"unique"`) or any number (`"duplicate"`).

        Raises:
            InvalidInput: if it is neither.
        """
        _check(keys)
        control = self._control
        self._entries = Entries(control, unique=keys == "unique")
        with control.node.lock:
            control.holdings = {self._entries: None}

    @classmethod
    def start(
        cls, *args: Any, name: Any = None, timeout: float | None = None, **kwargs: Any
    ) -> RegistryRef:
        """Start a registry that is linked to nobody.

        Args:
            args: `keys`, see `init`.
            kwargs: `keys`.
            name: what to register it under in its node.
            timeout: seconds that this may take.

        Raises:
            InvalidInput: if `keys` is neither `"unique"` nor `"duplicate"`.
            AlreadyStarted: if the name is taken.
        """
        _check(*args, **kwargs)
        ref: Any = super().start(*args, name=name, timeout=timeout, **kwargs)
        return ref  # type: ignore[no-any-return]  # made by ref_class

    @classmethod
    def start_link(
        cls, *args: Any, name: Any = None, timeout: float | None = None, **kwargs: Any
    ) -> RegistryRef:
        """Start a registry linked to the process that calls; otherwise as `start`.

        Raises:
            NotAProcess: outside a process.
        """
        _check(*args, **kwargs)
        ref: Any = super().start_link(*args, name=name, timeout=timeout, **kwargs)
        return ref  # type: ignore[no-any-return]  # made by ref_class

    @classmethod
    def start_monitor(
        cls, *args: Any, name: Any = None, timeout: float | None = None, **kwargs: Any
    ) -> tuple[RegistryRef, Monitor]:
        """Start a registry monitored by the process that calls; otherwise as `start`.

        Raises:
            NotAProcess: outside a process.
        """
        _check(*args, **kwargs)
        started: Any = super().start_monitor(*args, name=name, timeout=timeout, **kwargs)
        return started  # type: ignore[no-any-return]  # made by ref_class

    @classmethod
    def public_names(cls) -> Mapping[str, Any]:
        """Return nothing: a registry is used through the methods of its ref."""
        return {}

    def _receive_call(self, call: Call) -> Any:
        raise NotSupported("no_calls", process=str(self), message=shown(call.message))

    def _receive_cast(self, message: Any) -> None:
        self._receive_info(message)

    def _receive_info(self, message: Any) -> None:
        report("warning", "unexpected_message", process=str(self), message=shown(message))


def _check(keys: object = "unique") -> None:
    if keys not in ("unique", "duplicate"):
        raise InvalidInput("keys", keys, '"unique" or "duplicate"')
