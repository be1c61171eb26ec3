"""The exception tree of `beam`: every error, with its reason and its facts as fields.

    BeamError
    ├── InvalidInput (also ValueError)       bad input, named before anything changed
    │   └── InvalidSpec                      a child specification or a supervisor's flags
    ├── NotAProcess                          an operation that only a process can do
    ├── StartError                           a process did not start; `reason` is its exit reason
    │   └── AlreadyStarted                   the name is taken; `process` holds it
    ├── CallFailed
    │   ├── CallExit (also ActorDeadError)   the callee died, or is not there
    │   ├── CallTimeout (also pykka.Timeout) the call's deadline passed
    │   │   └── DeadlineExpired              the deadline inherited from the caller passed
    │   ├── CallCycle                        a ring of calls; `path` names it
    │   └── PoolExhausted                    every worker waits in a call; `graph` says for whom
    ├── Refused                              an answer: the callee declined and lives on
    │   ├── NotFound, AlreadyExists, NotSupported, QueueFull
    │   ├── SupervisorRefused                an answer of a supervisor
    │   ├── TableRefused                     an operation on a table that is gone or not open to you
    │   ├── RoutingRefused                   no backend could be selected
    │   ├── StateRefused                     a state table could not do what was asked
    │   └── SessionRefused
    │       ├── QueryInProgress, SessionRestarting, SessionQuarantined, SessionClosed
    │       └── RunFailed
    │           └── Interrupted
    ├── ToolFailed                           a tool that a function agent called has failed
    ├── StoreError
    │   ├── StoreForeign                     the file is not one of ours
    │   ├── StoreCorrupt                     the file is ours and damaged
    │   ├── StoreNewer                       the file was written by a newer `beam`
    │   ├── StoreLocked                      another process writes to it; `pid` names it
    │   ├── StoreFull                        no room on the disk, or the log's own limit is reached
    │   ├── StoreTimeout (also TimeoutError) the log did not finish within the deadline
    │   └── StoreClosed
    └── PortError
        ├── SpawnFailed                      the program could not be started
        ├── PortClosed                       the program has ended
        │   └── StdinClosed                  nothing more can be written to the program
        └── LoopStopped                      the loop thread does not run

    Exited (BaseException)                   a process ends here: `exit(reason)`, or a signal met in a wait

`Exited` is no `Exception`, so that a handler's `except Exception` does not swallow the end of
its own process, in the way of `SystemExit`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pykka import ActorDeadError, Timeout

__all__ = [
    "AlreadyExists",
    "AlreadyStarted",
    "BeamError",
    "CallCycle",
    "CallExit",
    "CallFailed",
    "CallTimeout",
    "DeadlineExpired",
    "Exited",
    "Interrupted",
    "InvalidInput",
    "InvalidSpec",
    "LoopStopped",
    "NotAProcess",
    "NotFound",
    "NotSupported",
    "PoolExhausted",
    "PortClosed",
    "PortError",
    "QueryInProgress",
    "QueueFull",
    "Refused",
    "RoutingRefused",
    "RunFailed",
    "SessionClosed",
    "SessionQuarantined",
    "SessionRefused",
    "SessionRestarting",
    "SpawnFailed",
    "StartError",
    "StateRefused",
    "StdinClosed",
    "StoreClosed",
    "StoreCorrupt",
    "StoreError",
    "StoreForeign",
    "StoreFull",
    "StoreLocked",
    "StoreNewer",
    "StoreTimeout",
    "SupervisorRefused",
    "TableRefused",
    "ToolFailed",
]


class BeamError(Exception):
    """The root of every exception that `beam` raises on purpose.

    Attributes:
        reason: the word (or term) of the contract for what happened, for code to match on.
    """

    reason: Any = "error"


class InvalidInput(BeamError, ValueError):
    """An argument, option, file or message is not what it must be; nothing has changed.

    Attributes:
        field: the name of what was wrong, as its user knows it.
        value: what it was.
        expected: what would have been right, in words.
    """

    reason: Any = "invalid_input"

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}, got {value!r}")
        self.field = field
        self.value = value
        self.expected = expected


class InvalidSpec(InvalidInput):
    """A child specification, or a supervisor's flags, are not what they must be.

    Attributes:
        reason: OTP's term for it: `("invalid_shutdown", value)`, `"missing_id"`, ...
    """

    def __init__(self, field: str, value: object, expected: str, reason: Any) -> None:
        super().__init__(field, value, expected)
        self.reason = reason


class NotAProcess(BeamError):
    """The operation belongs to a process, and the calling thread is none.

    `with Mailbox() as me:` makes it one.
    """

    reason: Any = "not_a_process"

    def __init__(self, operation: str) -> None:
        super().__init__(
            f"{operation} is for processes; this thread is none (use `with Mailbox() as me:`)"
        )
        self.operation = operation


class StartError(BeamError):
    """A process did not start (G1); nothing of it is left.

    Attributes:
        reason: the exit reason, as `init` left it: `Crash(exception)`, `("already_started", ref)`,
            `"timeout"`, or any value.
    """

    def __init__(self, reason: Any, what: str = "process") -> None:
        super().__init__(f"{what} did not start: {reason!r}")
        self.reason = reason


class AlreadyStarted(StartError):
    """The name is registered to a live process.

    Attributes:
        process: the ref that holds the name.
        name: the name.
    """

    def __init__(self, name: Any, process: Any) -> None:
        super().__init__(("already_started", process), f"process named {name!r}")
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
        super().__init__(f"{process} exited: {reason!r}")
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


class Refused(BeamError):
    """An answer: the callee declined, and lives (G7).

    Raised by a process in a call (or in `init`), it is the answer; the facts travel with it.
    One that came back from another process's call and leaves the handler uncaught is a crash;
    `raise Refused(...) from error` passes it on.

    Attributes:
        reason: the word for why, first argument.
        facts: the keywords, each also an attribute.
        process: who refused, set on the caller's side; `None` where it was raised.
    """

    default_reason: ClassVar[str] = "refused"
    process: Any = None

    def __init__(self, reason: Any = None, /, **facts: Any) -> None:
        reason = self.default_reason if reason is None else reason
        details = ", ".join(f"{key}={value!r}" for key, value in facts.items())
        super().__init__(reason)
        self.reason = reason
        self.facts = facts
        self._text = f"{reason}: {details}" if details else f"{reason}"

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")

    def __str__(self) -> str:
        return self._text


class NotFound(Refused):
    """What was asked for is not there."""

    default_reason: ClassVar[str] = "not_found"


class AlreadyExists(Refused):
    """What was to be made is there already."""

    default_reason: ClassVar[str] = "already_exists"


class NotSupported(Refused):
    """The one asked cannot do this."""

    default_reason: ClassVar[str] = "not_supported"


class QueueFull(Refused):
    """A bounded queue is full; what was offered was not taken (G19)."""

    default_reason: ClassVar[str] = "queue_full"


class SupervisorRefused(Refused):
    """A supervisor's `{error, Reason}`: `already_present`, `running`, `not_found`, ..."""


class TableRefused(Refused):
    """A table's `badarg`: `no_table`, `no_access`, `name_taken`, `bad_key`, ..."""


class RoutingRefused(Refused):
    """The router's `{error, Reason}`: `no_backend_available`, `backend_not_eligible`, ..."""


class StateRefused(Refused):
    """A state table's `{error, Reason}`: `invalid_api_key`, `pending`, `already_resolved`, ..."""


class SessionRefused(Refused):
    """A session's `{error, Reason}`."""


class QueryInProgress(SessionRefused):
    """The session serves one query at a time, and is serving one."""

    default_reason: ClassVar[str] = "query_in_progress"


class SessionRestarting(SessionRefused):
    """The session's process was not back within the call's deadline."""

    default_reason: ClassVar[str] = "session_restarting"


class SessionQuarantined(SessionRefused):
    """The session used up its restart budget and waits to be released by an operator."""

    default_reason: ClassVar[str] = "session_quarantined"


class SessionClosed(SessionRefused):
    """The session has been stopped for good."""

    default_reason: ClassVar[str] = "session_closed"


class RunFailed(SessionRefused):
    """A run ended without a result; `reason` says why (`backend_error`, `cli_exit`, `timeout`, ...)."""


class Interrupted(RunFailed):
    """The run was cut short: by its user, or by a crash with `on_crash="interrupt"` (G12)."""

    default_reason: ClassVar[str] = "interrupted"


class ToolFailed(BeamError):
    """A tool that the host ran for a function agent failed, was refused, or is not there.

    Attributes:
        tool: its name.
        content: what the agent is told.
    """

    reason: Any = "tool_failed"

    def __init__(self, tool: str, content: str) -> None:
        super().__init__(f"{tool}: {content}")
        self.tool = tool
        self.content = content


class StoreError(BeamError):
    """The durable log could not do what was asked; nothing was acknowledged.

    Attributes:
        path: the file, `None` for the memory store.
    """

    reason: Any = "store_error"

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class StoreForeign(StoreError):
    """The file is not a log of ours; it was not touched."""

    reason: Any = "store_foreign"


class StoreCorrupt(StoreError):
    """The file is a log of ours and damaged; it was not touched."""

    reason: Any = "store_corrupt"


class StoreNewer(StoreError):
    """The file is a log of a newer `beam`, which this one cannot read; it was not touched."""

    reason: Any = "store_newer"


class StoreLocked(StoreError):
    """Another process writes to this log; a log has one writer.

    Attributes:
        pid: the process that writes, `None` if it could not be learned.
    """

    reason: Any = "store_locked"

    def __init__(self, message: str, path: str | None = None, pid: int | None = None) -> None:
        super().__init__(message, path)
        self.pid = pid


class StoreFull(StoreError):
    """There is no room: on the disk, or under the log's own size limit.

    It passes: an append works again once there is room.
    """

    reason: Any = "store_full"


class StoreTimeout(StoreError, TimeoutError):
    """The log did not finish within the deadline, and may still do so.

    An append can be repeated with the same ids: what was stored is not stored twice.
    """

    reason: Any = "store_timeout"


class StoreClosed(StoreError):
    """The log has been closed."""

    reason: Any = "store_closed"


class PortError(BeamError):
    """An OS process failed its owner.

    Attributes:
        command: the program and its arguments.
    """

    reason: Any = "port_error"

    def __init__(self, message: str, command: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.command = command


class SpawnFailed(PortError):
    """The program could not be started; `reason` is the operating system's word (`ENOENT`, ...)."""

    def __init__(self, reason: Any, command: tuple[str, ...]) -> None:
        super().__init__(f"{command[0] if command else '?'} did not start: {reason}", command)
        self.reason = reason


class PortClosed(PortError):
    """The program has ended; `status` is its exit code, negative for a signal."""

    reason: Any = "port_closed"

    def __init__(self, status: int | None, command: tuple[str, ...] = ()) -> None:
        super().__init__(f"{command[0] if command else 'program'} has ended: {status}", command)
        self.status = status


class StdinClosed(PortClosed):
    """The program's stdin is closed, by us or by the program; the program may live on."""

    reason: Any = "stdin_closed"

    def __init__(self, status: int | None = None, command: tuple[str, ...] = ()) -> None:
        PortError.__init__(self, f"stdin of {command[0] if command else 'program'} closed", command)
        self.status = status


class LoopStopped(PortError):
    """The loop thread was not started, has been stopped, or was asked to wait for itself."""

    reason: Any = "loop_stopped"

    def __init__(self, name: str) -> None:
        super().__init__(f"the loop thread {name!r} does not run, or cannot wait for itself")
        self.name = name


class Exited(BaseException):
    """Ends the process that raises it, with `reason`, from wherever it is in its handler.

    `exit(reason)` raises it (Erlang's `exit/1`); a signal that kills a process while it waits in a
    call raises it at that point, so that its `finally` blocks run.
    """

    def __init__(self, reason: Any = "normal") -> None:
        super().__init__(reason)
        self.reason = reason
