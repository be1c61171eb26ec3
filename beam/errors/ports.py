"""What an OS process, or the loop thread, cannot do."""

from __future__ import annotations

from typing import Any

from beam.errors.root import BeamError

__all__ = [
    "LoopStopped",
    "PortClosed",
    "PortError",
    "SpawnFailed",
    "StdinClosed",
]


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
