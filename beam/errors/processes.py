"""Processes that did not start, and calls that ended without an answer (G1, G6)."""

from __future__ import annotations

from typing import Any

from pykka import ActorDeadError, Timeout

from beam.errors.root import BeamError, shown

__all__ = [
    "AlreadyStarted",
    "CallCycle",
    "CallExit",
    "CallFailed",
    "CallTimeout",
    "DeadlineExpired",
    "MailboxFull",
    "PoolExhausted",
    "StartError",
]


class StartError(BeamError):
    """A process did not start (G1); nothing of it is left.

    Attributes:
        reason: the exit reason, as `init` left it: `Crash(exception)`, `("already_started", ref)`,
            `"timeout"`, or any value.
    """

    def __init__(self, reason: Any, what: str = "process") -> None:
        super().__init__(f"{what} did not start: {shown(reason)}")
        self.reason = reason


class AlreadyStarted(StartError):
    """The name is registered to a live process.

    Attributes:
        process: the ref that holds the name.
        name: the name.
    """

    def __init__(self, name: Any, process: Any) -> None:
        super().__init__(("already_started", process), f"process named {shown(name)}")
        self.name = name
        self.process = process


class CallFailed(BeamError):
    """A call ended without an answer (G6)."""


class CallExit(CallFailed, ActorDeadError):
    """The callee died before it answered, or was not there.

    Attributes:
        reason: the callee's exit reason, `"noproc"` if there was no such process.
        process: the ref or name that was called.
    """

    def __init__(self, reason: Any, process: Any) -> None:
        absent = isinstance(reason, str) and reason == "noproc"
        super().__init__(f"{process} {'not found' if absent else f'exited: {shown(reason)}'}")
        self.reason = reason
        self.process = process


class CallTimeout(CallFailed, Timeout):
    """The call's deadline passed; the callee may still be at work.

    Attributes:
        process: the ref that was called, `None` for a future that no call made.
        timeout: the seconds that were granted.
    """

    reason: Any = "timeout"

    def __init__(self, process: Any, timeout: float | None) -> None:
        whom = f" from {process}" if process is not None else ""
        super().__init__(f"no answer{whom} within {timeout} s")
        self.process = process
        self.timeout = timeout


class DeadlineExpired(CallTimeout):
    """The deadline inherited from the call being served passed: its caller has gone (G6)."""

    reason: Any = "deadline_expired"


class CallCycle(CallFailed):
    """The call would close a ring of processes that wait for each other.

    Attributes:
        path: the refs in the order of waiting, the caller first and last.
    """

    reason: Any = "call_cycle"

    def __init__(self, path: tuple[Any, ...]) -> None:
        super().__init__("ring of calls: " + " -> ".join(str(ref) for ref in path))
        self.path = path


class MailboxFull(CallFailed):
    """The mailbox has a bound and was full: the message, or call, was refused or dropped.

    Attributes:
        process: the ref whose mailbox it is.
        limit: how many messages may wait there.
        overflow: the mailbox's policy.
    """

    reason: Any = "mailbox_full"

    def __init__(self, process: Any, limit: int, overflow: str) -> None:
        super().__init__(f"the mailbox of {process} is full: {limit} wait ({overflow})")
        self.process = process
        self.limit = limit
        self.overflow = overflow


class PoolExhausted(CallFailed):
    """Every worker of the pool waits in a call, and the pool may not grow further.

    Attributes:
        graph: pairs (waiting ref, ref waited for; None where that is no process).
        cap: the most workers the pool may have.
    """

    reason: Any = "pool_exhausted"

    def __init__(self, cap: int, graph: tuple[tuple[Any, Any], ...]) -> None:
        edges = ", ".join(f"{who} -> {whom}" for who, whom in graph[:20])
        more = f" and {len(graph) - 20} more" if len(graph) > 20 else ""
        super().__init__(f"all {cap} workers wait in calls: {edges}{more}")
        self.cap = cap
        self.graph = graph
