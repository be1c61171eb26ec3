"""Children for the tests of supervisors: they say what happens to them, and do as they are told."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog
from structlog.testing import capture_logs

from beam.errors import CallExit, CallTimeout, Refused
from beam.otp import Down, Exit, Future, Mailbox, Node, Ref, Server, child, exit, ignore, monitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beam.otp import ChildSpec

__all__ = [
    "TIMEOUT",
    "Deaf",
    "Diary",
    "Kid",
    "Stubborn",
    "crash",
    "family",
    "kid",
    "kill",
    "wait_in_vain",
]

TIMEOUT = 10.0
"""Seconds after which something that should have happened counts as not happening."""


class Diary:
    """What happened to the children, in order; the test reads it as it would read its mail."""

    def __init__(self, me: Mailbox, node: Node, logs: list[Any]) -> None:
        self._me = me
        self.ref = me.ref
        self.node = node
        self.logs = logs
        """The structlog events, as dicts."""
        self.refs: dict[Any, Ref[Any]] = {}
        """The latest ref of each child, by its name."""

    def next(self) -> tuple[Any, ...]:
        """Return the next event: ("start", name), ("stop", name, reason), ("end", name, reason)."""
        event = self._me.receive(timeout=TIMEOUT)
        if isinstance(event, Exit):
            return ("exit", event.process, event.reason)
        if isinstance(event, Down):
            name = next(key for key, ref in self.refs.items() if ref is event.process)
            return ("end", name, event.reason)
        if event[0] == "start":
            self.refs[event[1]] = event[-1]
        return tuple(event[:-1])

    def take(self, count: int) -> list[tuple[Any, ...]]:
        """Return the next `count` events."""
        return [self.next() for _ in range(count)]

    def rest(self) -> list[tuple[Any, ...]]:
        """Return the events that are there."""
        return [self.next() for _ in self._me.messages()]

    def watch(self, name: Any, ref: Ref[Any]) -> None:
        """Have the end of a process be an event: ("end", name, reason)."""
        self.refs[name] = ref
        monitor(ref)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the structlog events of this name."""
        return [each for each in self.logs if each["event"] == event]


@contextmanager
def family(node: Node) -> Iterator[Diary]:
    """Make the test a process in a node, for the children that the block starts."""
    structlog.reset_defaults()
    with capture_logs() as logs, node.entered(), Mailbox(trap_exit=True) as me:
        yield Diary(me, node, logs)


def wait_in_vain(seconds: float = 3600.0) -> None:
    """Wait for an answer that does not come; a process can be killed meanwhile."""
    with suppress(CallTimeout):
        Future[None]().get(timeout=seconds)


class Kid(Server):
    """Tells the diary of its start and its stop; its plan says how each start turns out."""

    trap_exit = True

    def init(self, diary: Ref[Any], called: Any, plan: list[Any] | None = None) -> Any:
        self.diary, self.called = diary, called
        outcome = plan.pop(0) if plan else "ok"
        diary.tell(("start", called, self.actor_ref))
        if outcome == "ignore":
            return ignore
        if outcome == "refuse":
            raise Refused("not_today")
        if outcome == "crash":
            raise LookupError("in init")
        return None

    def ask_supervisor(self, supervisor: Any, function: str, *args: Any) -> Any:
        return getattr(supervisor, function)(*args)

    def leave(self, reason: Any) -> None:
        self.stop(reason)

    def handle_cast(self, message: Any) -> None:
        raise message

    def handle_info(self, message: Any) -> None:
        pass

    def terminate(self, reason: Any) -> None:
        with suppress(CallExit):  # When the test is over, nobody reads it any more.
            self.diary.tell(("stop", self.called, reason, self.actor_ref))


class Deaf(Kid):
    """Takes no notice of being told to end, but can be killed: it waits in `terminate`."""

    def terminate(self, reason: Any) -> None:
        super().terminate(reason)
        wait_in_vain()


class Stubborn(Kid):
    """Cannot be ended at all until the test lets it go: its handler waits for no process."""

    def init(self, diary: Ref[Any], called: Any, let_go: threading.Event) -> Any:
        self.let_go = let_go
        return super().init(diary, called)

    def handle_cast(self, message: Any) -> None:
        self.diary.tell(("busy", self.called, self.actor_ref))
        self.let_go.wait(TIMEOUT)


def kid(diary: Diary, called: Any, *args: Any, kind: type[Kid] = Kid, **options: Any) -> ChildSpec:
    """Return the specification of a child that writes to `diary`; its id is what it is called."""
    return child(kind, diary.ref, called, *args, id=called, **options)


def crash(ref: Ref[Any]) -> None:
    """Make a child crash, with a `LookupError`."""
    ref.cast(LookupError("told to"))


def kill(ref: Ref[Any]) -> None:
    """Kill a process."""
    exit(ref, "kill")
