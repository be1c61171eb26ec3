"""A consumer of a port that remembers, and the fake programs."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

from beam.ports import Line, Port, PortExit, PortSpec, SpilledLine

PROGRAMS = Path(__file__).with_name("programs")
HANG_S = 60.0


def program(name: str, *arguments: object, **options: object) -> PortSpec:
    """Return the spec of a fake program; its grace is short unless said."""
    options.setdefault("grace", 0.2)
    argv = [sys.executable, "-I", "-S", str(PROGRAMS / f"{name}.py"), *map(str, arguments)]
    return PortSpec.of(argv, **options)  # type: ignore[arg-type]  # the tests say what they mean


class Consumer:
    """Takes lines and the exit, in order, and lets a test wait for them.

    With `acks` it acknowledges each line at once.
    """

    def __init__(self, *, acks: bool = True) -> None:
        self.port: Port | None = None
        self.heard: list[Line | SpilledLine | PortExit] = []
        self._acks = acks
        self._changed = threading.Condition()

    def on_line(self, line: Line | SpilledLine) -> None:
        with self._changed:
            self.heard.append(line)
            port = self.port
            self._changed.notify_all()
        if self._acks and port is not None:
            port.ack()

    def on_exit(self, exit: PortExit) -> None:
        with self._changed:
            self.heard.append(exit)
            self._changed.notify_all()

    @property
    def lines(self) -> list[Line | SpilledLine]:
        return [each for each in self.heard if not isinstance(each, PortExit)]

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.lines if isinstance(each, Line)]

    @property
    def exits(self) -> list[PortExit]:
        return [each for each in self.heard if isinstance(each, PortExit)]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, HANG_S), self.heard

    def wait_for_lines(self, count: int) -> list[str]:
        self.wait_until(lambda: len(self.lines) >= count)
        return self.texts

    def wait_for_exit(self) -> PortExit:
        self.wait_until(lambda: bool(self.exits))
        return self.exits[0]

    def started(self, port: Port) -> None:
        """Learn the port; the lines that came before are acknowledged now."""
        with self._changed:
            self.port = port
            early = len(self.lines)
        if self._acks and early:
            port.ack(early)
