"""Proxies: a process's public methods and attributes, as calls that return futures.

A proxy offers what the user's class defines, and nothing of the framework: no callbacks, no
states, no names with an underscore. The class is read once, so that a proxy costs no more than
an object; attributes that `init` sets are found in the instance.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pykka
from pykka import messages

if TYPE_CHECKING:
    from beam.otp.future import Future
    from beam.otp.process import Process
    from beam.otp.ref import Ref

__all__ = ["CallableProxy", "Proxy"]

A = TypeVar("A", bound="Process")


class CallableProxy(pykka.CallableProxy[A], Generic[A]):
    """One method of a process: called, it returns a future; deferred, nothing."""

    __slots__ = ("_attr_path", "actor_ref")

    actor_ref: Ref[A]

    def __init__(self, *, actor_ref: Ref[A], attr_path: tuple[str, ...]) -> None:
        self.actor_ref = actor_ref
        self._attr_path = attr_path

    def __call__(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call the method with OTP's `call` semantics; see `Ref.ask` for what the future raises."""
        return self.actor_ref.call_method(self._attr_path, args, kwargs)

    def defer(self, *args: Any, **kwargs: Any) -> None:
        """Cast: run the method some time, want no answer; an exception in it is a crash."""
        self.actor_ref.cast(messages.ProxyCall(attr_path=self._attr_path, args=args, kwargs=kwargs))


class Proxy(pykka.ActorProxy[A], Generic[A]):
    """A process's public methods and attributes."""

    __slots__ = ("_attr_path", "actor_ref")

    actor_ref: Ref[A]

    def __init__(self, *, actor_ref: Ref[A], attr_path: tuple[str, ...] | None = None) -> None:
        # Object's own, as ours sends the value to the process.
        object.__setattr__(self, "actor_ref", actor_ref)
        object.__setattr__(self, "_attr_path", attr_path or ())

    def __eq__(self, other: object) -> bool:
        # One that Pykka's class has made is another: it hashes by the actor, not by the ref.
        return (
            isinstance(other, Proxy)
            and self.actor_ref is other.actor_ref
            and self._attr_path == other._attr_path
        )

    def __hash__(self) -> int:
        return hash((self.actor_ref, self._attr_path))

    def __repr__(self) -> str:
        return f"<ActorProxy for {self.actor_ref}, attr_path={self._attr_path!r}>"

    def __dir__(self) -> list[str]:
        public = self.actor_ref.actor_class.public_names()
        return sorted({*public, *_instance_names(self.actor_ref), "actor_ref"})

    def __getattr__(self, name: str) -> Any:
        """Return a method to call, a nested proxy, or a future of the attribute's value."""
        path = (*self._attr_path, name)
        found = _find(self.actor_ref, path)
        if found is _MISSING and (name[0] == "_" or self.actor_ref.is_alive()):
            raise AttributeError(f"{self} has no attribute {name!r}")
        if callable(found) or isinstance(found, _METHODS):
            method = CallableProxy(actor_ref=self.actor_ref, attr_path=path)
            if len(path) == 1 and name in self.actor_ref.actor_class.public_names():
                # The class says so for ever: a proxy that is held finds it here, in 50 ns.
                vars(self)[name] = method
            return method
        if any(getattr(found, mark, False) is True for mark in _TRAVERSABLE):
            return Proxy(actor_ref=self.actor_ref, attr_path=path)
        return self.actor_ref.ask(messages.ProxyGetAttr(attr_path=path), block=False)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the process, if its class says `settable`, and wait for that.

        Of an attribute of a traversable one, the first name counts.

        Raises:
            AttributeError: if the class does not let the attribute be set from outside.
        """
        kind = self.actor_ref.actor_class
        path = (*self._attr_path, name)
        if path[0] not in kind.settable:
            raise AttributeError(
                f"{kind.__name__} does not let {path[0]!r} be set from outside; "
                f"settable: {', '.join(kind.settable) or 'nothing'}"
            )
        self.actor_ref.ask(messages.ProxySetAttr(attr_path=path, value=value))


_MISSING = object()
# What stands in a class for a method, and cannot be called there.
_METHODS = (classmethod, functools.partialmethod)
# How Pykka marks what a proxy may look into: by its function, and by a user's own attribute.
_TRAVERSABLE = ("_pykka_traversable", "pykka_traversable")


def _instance_names(ref: Ref[Any]) -> list[str]:
    """Return the public names that the process has set on itself, by now."""
    actor = ref.control.actor
    return [name for name in list(getattr(actor, "__dict__", ())) if name[0] != "_"]


def _find(ref: Ref[Any], path: tuple[str, ...]) -> Any:
    """Return what stands at `path`, without running code of the process; `_MISSING` if nothing."""
    found = ref.actor_class.public_names().get(path[0], _MISSING)
    if found is _MISSING:
        instance = getattr(ref.control.actor, "__dict__", {})
        found = instance.get(path[0], _MISSING) if path[0][0] != "_" else _MISSING
    for name in path[1:]:
        if found is _MISSING or name[0] == "_":
            return _MISSING
        found = getattr(found, name, _MISSING)
    return found
