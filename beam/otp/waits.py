"""What a process waits for, as anybody may see it: a call, mail, sleep, the end of another.

>>> from beam.otp import Server
>>> idle = Server.start()
>>> print(wait_of(idle.control))
waits for mail
>>> idle.stop()
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from beam.otp.control import Control, Life

if TYPE_CHECKING:
    from beam.otp.ref import Ref

__all__ = ["Wait", "WaitKind", "wait_of"]

WaitKind: TypeAlias = Literal["call", "end", "mail", "sleep", "start", "task", "value"]

_WORDS = {
    "call": "calls {whom}",
    "end": "waits for the end of {whom}",
    "mail": "waits for mail",
    "sleep": "sleeps",
    "start": "waits for the start of {whom}",
    "task": "waits for {whom}",
    "value": "waits for a future",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """What a process waits for.

    Attributes:
        kind: `"mail"`: it has nothing to do, or receives; `"call"`: the answer of `process`;
            `"end"`: its death, as a supervisor does that ends a child; `"start"`: the end of its
            `init`; `"task"`: its value; `"sleep"`: time; `"value"`: a future that no call made.
        process: whom, if anybody.
        since: for how many seconds it has waited; `None` if that is not known, as it is of a wait
            without a deadline.
        left: the seconds until it stops waiting; `None` for one without a deadline.
    """

    kind: WaitKind
    process: Ref[Any] | None = None
    since: float | None = None
    left: float | None = None

    def __str__(self) -> str:
        whom = str(self.process) if self.process is not None else "any of several"
        said = _WORDS[self.kind].format(whom=whom)
        if self.since is not None and self.left is not None:
            said += f": {_seconds(self.since)} so far, {_seconds(self.left)} left"
        return said


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def wait_of(control: Control) -> Wait | None:
    """Return what a process waits for; `None` while it is at work, starts, or is dead.

    Reads, from any thread; the process may have gone on since.
    """
    if control.life is not Life.RUNNING:
        return None
    future: Any = control.waiting
    if future is None or future.done:
        idle = control.receiving or not (control.turn.locked() or control.mailbox)
        return Wait("mail") if idle else None
    kind: WaitKind = getattr(future, "purpose", "call")
    callee, deadline, granted = future.callee, future.deadline, future.granted
    if callee is None and kind == "call":
        kind = "value"
    process = callee.ref if callee is not None else None
    if deadline is None or granted is None:
        return Wait(kind, process)
    now = control.node.clock.now()
    left = deadline - now
    return Wait(kind, process, max(0.0, granted - left), max(0.0, left))
