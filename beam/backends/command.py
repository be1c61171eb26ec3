"""`command`: any program that speaks the command protocol, as a backend.

    >>> backend = command("python my_agent.py --fast", inherit=("PATH", "HOME"), shutdown=2.0)
    >>> backend.spec.argv
    ('python', 'my_agent.py', '--fast')
    >>> command("no-such-agent --fast").check()
    Traceback (most recent call last):
    ...
    beam.errors.InvalidInput: command: expected a program that can be run, got 'no-such-agent'

`docs/command-agents.md` specifies the protocol. Each session has a program of its own, started with
the session's connection (`command_connection.py`) and ended with it, with all its descendants.
"""

from __future__ import annotations

import importlib
import math
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.backend import WINDOW, Backend, Opening
from beam.backends.line_limits import MAX_LINE
from beam.errors import InvalidInput
from beam.ports.spec import PortSpec

if TYPE_CHECKING:
    from beam.otp import Ref

__all__ = ["CommandBackend", "check_seconds", "command"]

MARGIN = 2.0


@dataclass(frozen=True)
class CommandBackend(Backend):
    """A program that speaks the command protocol; `command` makes it.

    Attributes:
        spec: what is started for each session.
        interrupt_grace: seconds that the agent has to end a query that it was asked to end.
        shutdown: seconds from end of file on its stdin to TERM, when its session ends in order.
    """

    kind: ClassVar[str] = "command"

    spec: PortSpec
    interrupt_grace: float = 5.0
    shutdown: float = 5.0

    def __post_init__(self) -> None:
        check_seconds("interrupt_grace", self.interrupt_grace)
        check_seconds("shutdown", self.shutdown)

    @property
    def ends_within(self) -> float:
        """The seconds that a connection may take to end: finishing up, TERM, KILL."""
        return self.shutdown + self.spec.grace + 2 * self.spec.kill_wait + MARGIN

    def check(self) -> None:
        """Refuse a program that is not there, or cannot be run, and a folder that is not there.

        Raises:
            InvalidInput: naming it.
        """
        # Here and not by a session: to import what speaks with programs takes a while, once.
        importlib.import_module("beam.backends.command_connection")
        if self.spec.cwd is not None and not Path(self.spec.cwd).is_dir():
            raise InvalidInput("cwd", self.spec.cwd, "a directory that exists")
        path = self.spec.environment(os.environ, "").get("PATH", os.defpath)
        program = self.spec.argv[0]
        if shutil.which(program, path=path) is None:
            raise InvalidInput("command", program, "a program that can be run")

    def connect(self, name: str, opening: Opening) -> Ref[Any]:
        """Start a connection linked to the calling session; its program is started by and by."""
        from beam.backends.command_connection import CommandConnection  # noqa: PLC0415 - see check

        return CommandConnection.start_link(self, opening)

    def host(self) -> Mapping[str, str]:
        """Return what the greeting says of the host."""
        return {"name": "beam"}

    def spec_for(self, opening: Opening) -> PortSpec:
        """Return what to start for a session: in its folder, if it has one."""
        return replace(self.spec, cwd=opening.cwd) if opening.cwd else self.spec


def command(
    command: str | Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
    inherit: Iterable[str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    interrupt_grace: float = 5.0,
    shutdown: float = 5.0,
    grace: float = 2.0,
    line_limit: int = MAX_LINE,
    stderr_tail: int = 16 * 1024,
) -> CommandBackend:
    """Return a backend whose agents are programs that speak the command protocol.

    Args:
        command: a command line, split as a shell would (no shell runs), or a program and its
            arguments. A program without a slash is looked up in the PATH of the environment that it
            gets, a relative one with a slash from `cwd`, or else from the current folder.
        env: the whole environment; None for ours, as far as `inherit` lets it through.
        extra: variables to add.
        inherit: the names of our variables that go through, `*` at the end for a prefix; None for
            all. Not together with `env`.
        cwd: the folder to run in, for sessions that have none of their own; None for ours.
        interrupt_grace: seconds that the agent has to end a query that it was asked to end; then
            the program is ended, and the session starts another.
        shutdown: seconds from end of file on stdin to TERM, when the session ends in order.
        grace: seconds from TERM to KILL.
        line_limit: the bytes of the longest line it may write that is kept in memory.
        stderr_tail: the bytes of the end of its stderr that are kept for reports.

    Raises:
        InvalidInput: an argument is not what it must be.
    """
    spec = PortSpec.of(
        command,
        env=env,
        extra=extra,
        inherit=inherit,
        cwd=cwd,
        stdin="pipe",
        grace=grace,
        line_limit=line_limit,
        # A query may be as long as a line can be, while an answer still waits to be read.
        stdin_limit=2 * MAX_LINE,
        stderr_bytes=stderr_tail,
        window_lines=WINDOW,
    )
    if line_limit > MAX_LINE:
        raise InvalidInput("line_limit", line_limit, f"at most {MAX_LINE} bytes")
    return CommandBackend(_anchored(spec), interrupt_grace, shutdown)


def check_seconds(option: str, value: object) -> None:
    """Refuse what is no number of seconds.

    Raises:
        InvalidInput: naming the option.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise InvalidInput(option, value, "seconds, 0 or more, finite")


def _anchored(spec: PortSpec) -> PortSpec:
    """Make what is relative independent of the folders that we and the session are in later."""
    if spec.cwd is not None:
        spec = replace(spec, cwd=os.path.abspath(spec.cwd))
    program, *arguments = spec.argv
    if os.sep in program:
        program = os.path.abspath(os.path.join(spec.cwd or "", program))
    return replace(spec, argv=(program, *arguments))
