"""Children for the tests of supervisors: they say what happens to them, and do as they are told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from beam.errors import Refused
from beam.otp import Mailbox, Ref, Server, child, exit, ignore

if TYPE_CHECKING:
    from beam.otp import ChildSpec

__all__ = ["TIMEOUT", "Deaf", "Diary", "Kid", "Stubborn", "crash", "kid"]

TIMEOUT = 10.0
"""Seconds after which something that should have happened counts as not happening."""


class Diary:
    """What happened to the children, in order; made inside `with Mailbox() as me`."""

    def __init__(self, me: Mailbox) -> None:
        self._me = me
        self.ref = me.ref
        self.refs: dict[Any, Ref[Any]] = {}
        """The latest ref of each child, by its name."""

    def next(self) -> tuple[Any, ...]:
        """Return the next event, without the ref: ("start", name) or ("stop", name, reason)."""
        event = self._me.receive(timeout=TIMEOUT)
        if event[0] == "start":
            self.refs[event[1]] = event[-1]
        return tuple(event[:-1])

    def take(self, count: int) -> list[tuple[Any, ...]]:
        """Return the next `count` events."""
        return [self.next() for _ in range(count)]

    def rest(self) -> list[tuple[Any, ...]]:
        """Return the events that are there."""
        return [self.next() for _ in self._me.messages()]


class Kid(Server):
    """Tells the diary of its start and its stop; its plan says how each start turns out."""

    trap_exit = True

    def init(self, diary: Ref[Any], name: Any, plan: list[Any] | None = None) -> Any:
        self.diary, self.kid = diary, name
        outcome = plan.pop(0) if plan else "ok"
        diary.tell(("start", name, self.actor_ref))
        if outcome == "ignore":
            return ignore
        if outcome == "refuse":
            raise Refused("not_today")
        if outcome == "crash":
            raise LookupError("in init")
        return None

    def name(self) -> Any:
        return self.kid

    def ask_supervisor(self, supervisor: Any, function: str, *args: Any) -> Any:
        return getattr(supervisor, function)(*args)

    def leave(self, reason: Any) -> None:
        self.stop(reason)

    def handle_cast(self, message: Any) -> None:
        raise message

    def handle_info(self, message: Any) -> None:
        pass

    def terminate(self, reason: Any) -> None:
        self.diary.tell(("stop", self.kid, reason, self.actor_ref))


class Deaf(Kid):
    """Takes no notice of being told to end, but can be killed: it sleeps in `terminate`."""

    def terminate(self, reason: Any) -> None:
        super().terminate(reason)
        self.sleep(3600.0)


class Stubborn(Kid):
    """Cannot be ended at all until the test lets it go: its handler waits for no process."""

    def init(self, diary: Ref[Any], name: Any, let_go: threading.Event) -> Any:
        self.let_go = let_go
        return super().init(diary, name)

    def handle_cast(self, message: Any) -> None:
        self.diary.tell(("busy", self.kid, self.actor_ref))
        self.let_go.wait(TIMEOUT)


def kid(diary: Diary, name: Any, *args: Any, kind: type[Kid] = Kid, **options: Any) -> ChildSpec:
    """Return the specification of a child that writes to `diary`; its id is its name."""
    return child(kind, diary.ref, name, *args, id=name, **options)


def crash(ref: Ref[Any]) -> None:
    """Make a child crash, with a `LookupError`."""
    ref.cast(LookupError("told to"))


def kill(ref: Ref[Any]) -> None:
    """Kill a process."""
    exit(ref, "kill")
