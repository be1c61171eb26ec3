"""Exit reasons, and the messages that carry them.

An exit reason is any value. Some have a meaning of their own, Erlang's: `"normal"` is a process
that had done its work, `"shutdown"` and `("shutdown", detail)` one that was told to stop, `"kill"`
the signal that nobody can trap, `"killed"` what it leaves behind, `"noproc"` that there was no
such process. A process that ends by an exception which nobody caught has `Crash(exception)`.

    >>> is_graceful("normal"), is_graceful(("shutdown", "tired")), is_graceful(Crash(KeyError("x")))
    (True, True, False)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam.otp.ref import Ref
    from beam.otp.signals import Monitor
    from beam.otp.table import Table

__all__ = [
    "Crash",
    "Down",
    "Exit",
    "Quarantined",
    "TableTransfer",
    "is_flushed",
    "is_graceful",
    "is_shutdown",
    "is_word",
]


@dataclass(frozen=True, slots=True)
class Crash:
    """The exit reason of a process that ended by an exception which nobody caught.

    Attributes:
        exception: the exception, with its traceback.
    """

    exception: BaseException

    def __repr__(self) -> str:
        return f"Crash({self.exception!r})"


@dataclass(frozen=True, slots=True)
class Down:
    """What a monitor delivers, once, after the process it watched has ended (G5).

    Attributes:
        monitor: what `monitor()` returned.
        process: the process watched, in the form it was given: a ref, or a name.
        reason: its exit reason, `"noproc"` if it was not there when the monitor was set.
    """

    monitor: Monitor
    process: Ref[Any] | Any
    reason: Any


@dataclass(frozen=True, slots=True)
class Exit:
    """An exit signal, as mail to a process that traps exits.

    Attributes:
        process: the process that ended, or that sent the signal.
        reason: the reason it gave.
    """

    process: Ref[Any]
    reason: Any


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A dynamic supervisor restarts a child no more: its budget is spent, until it is released.

    Attributes:
        supervisor: the supervisor.
        id: the child's id.
    """

    supervisor: Ref[Any]
    id: Any


@dataclass(frozen=True, slots=True)
class TableTransfer:
    """A table is yours now: its owner died and named you its heir, or gave it away.

    OTP's `{'ETS-TRANSFER', Table, From, Data}`.

    Attributes:
        table: the table.
        process: who owned it before.
        data: what that owner said with `heir=(process, data)` or `give_away(process, data)`.
    """

    table: Table
    process: Ref[Any]
    data: Any


def is_flushed(message: object) -> bool:
    """Return whether `message` is a `Down` that `demonitor(flush=True)` has taken back."""
    return type(message) is Down and message.monitor.flushed


def is_word(reason: object, word: str) -> bool:
    """Return whether `reason` is that word; any value may be a reason, also one without `==`."""
    return isinstance(reason, str) and reason == word


def is_shutdown(reason: object) -> bool:
    """Return whether `reason` is `"shutdown"` or `("shutdown", detail)`."""
    if isinstance(reason, tuple) and len(reason) == 2:
        return is_word(reason[0], "shutdown")
    return is_word(reason, "shutdown")


def is_graceful(reason: object) -> bool:
    """Return whether a process that ended with `reason` ended as it was meant to.

    `"normal"`, `"shutdown"` and `("shutdown", detail)` are: no crash is reported, and a transient
    child is not restarted (OTP's `supervisor`).
    """
    return is_word(reason, "normal") or is_shutdown(reason)
