"""What processes and the `Ports` process say to each other about ports.

An owner casts `StartPort` and hears, by casts: `PortStarted` or `PortNotStarted`, once; then each
line as `PortLine`; at the end `PortEnded`, after the last line. It acknowledges the lines on the
port itself (`Port.ack`), and no more come than the window of its spec until it does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from beam.otp import Ref
from beam.ports.lines import Line, SpilledLine
from beam.ports.port import Port, PortExit
from beam.ports.spec import PortSpec

__all__ = [
    "PortEnded",
    "PortEntry",
    "PortLine",
    "PortNotStarted",
    "PortStarted",
    "StartPort",
    "StopPorts",
]


@dataclass(frozen=True, slots=True)
class StartPort:
    """Cast: start a program that lives no longer than `owner`.

    Attributes:
        owner: the process that hears of it, and whose end is the program's.
        spec: what to start.
        tag: comes back with all that is heard, for an owner of several ports.
        on_line: called with each line on the loop's thread, which it must not block, in the place
            of a `PortLine` to the owner; lines may come before `PortStarted`. One that was too
            long for memory goes to the owner all the same.
    """

    owner: Ref[Any]
    spec: PortSpec
    tag: Any = None
    on_line: Callable[[Line], object] | None = None


@dataclass(frozen=True, slots=True)
class StopPorts:
    """Call: end all ports of `owner`, those that are still to start too.

    The answer is the tuple of their `PortExit`, when no process of any tree is left; it takes at
    most `patience` and the grace and twice the `kill_wait` of their specs.

    Attributes:
        owner: whose.
        patience: the seconds from the end of file on their stdin to TERM; 0 for TERM at once.
    """

    owner: Ref[Any]
    patience: float = 0.0


@dataclass(frozen=True, slots=True)
class PortStarted:
    """The program runs."""

    port: Port
    tag: Any


@dataclass(frozen=True, slots=True)
class PortNotStarted:
    """The program does not run, and nothing of it is left; `error` says why."""

    error: Exception
    tag: Any


@dataclass(frozen=True, slots=True)
class PortLine:
    """The program wrote a line; to be acknowledged."""

    line: Line | SpilledLine
    tag: Any


@dataclass(frozen=True, slots=True)
class PortEnded:
    """The program and its tree have ended, and all they wrote has been said."""

    exit: PortExit
    tag: Any


@dataclass(frozen=True, slots=True)
class PortEntry:
    """A port as `Ports.list` shows it.

    Attributes:
        owner: whose.
        program: the name of its program.
        state: `waiting` for its start, `starting`, `running`, or `stopping`.
        port: its id; None before it runs.
        pid: the program's pid, which is also its process group; None before it runs.
        keeper: the pid of the process that keeps its tree; None before it runs.
    """

    owner: Ref[Any]
    program: str
    state: Literal["waiting", "starting", "running", "stopping"]
    port: str | None = None
    pid: int | None = None
    keeper: int | None = None
