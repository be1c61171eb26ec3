"""One OS process as a resource: its whole tree, its output line by line, its end.

A port is made by `PortHost.start`. Its functions may be called from any thread, unless they say
otherwise; `on_line` and `on_exit` are called on the loop's thread, one at a time, and must not
block. Every line comes before the exit, and the exit comes once, when no process of the tree is
left (or those that `survivors` names could not be ended).
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from signal import valid_signals

from beam.errors import InvalidInput, LoopStopped, PortClosed, StdinClosed
from beam.ports.connection import Connection
from beam.ports.launch import Launched
from beam.ports.ledger import Ledger
from beam.ports.loop import LoopThread
from beam.ports.reader import LineReader, OnLine, TailReader
from beam.ports.reaper import Claim, end_trees
from beam.ports.sample import TreeSample, sample_trees
from beam.ports.spec import PortSpec
from beam.ports.stdin import StdinWriter

__all__ = ["OnExit", "Port", "PortExit"]

LOST_GRACE_S = 1.0
MARGIN_S = 1.0


@dataclass(frozen=True, slots=True)
class PortExit:
    """How a program ended.

    Attributes:
        port: the port's id.
        status: the exit code, negative for the signal that ended it; None if nobody could see it.
        stopped: whether it was asked to stop.
        stderr: the end of its stderr.
        survivors: the pids of the tree that did not end by KILL; they stay in the ledger.
        fault: why we have ended it unasked: `"keeper lost"`, what `on_line` raised, or that it had
            closed its stdout.
        undelivered: the lines that were dropped after `on_line` had raised.
        truncated: whether output was cut, because a process outside the tree kept writing.
    """

    port: str
    status: int | None
    stopped: bool = False
    stderr: str = ""
    survivors: tuple[int, ...] = ()
    fault: str | None = None
    undelivered: int = 0
    truncated: bool = False


OnExit = Callable[[PortExit], object]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Whom a port tells; each runs on the loop's thread.

    Attributes:
        on_line: given each line.
        on_exit: given the exit, after the last line.
        on_end: given the port, just before that.
    """

    on_line: OnLine
    on_exit: OnExit
    on_end: Callable[[Port], object]


class Port:
    """A program that was started, with its tree.

    Attributes:
        id: its name within the host.
        spec: what was asked for.
        pid: the program's pid.
    """

    def __init__(
        self,
        port: str,
        spec: PortSpec,
        launched: Launched,
        *,
        loop: LoopThread,
        ledger: Ledger,
        callbacks: Callbacks,
    ) -> None:
        self.id = port
        self.spec = spec
        self.pid = launched.leader.pid
        self._keeper = launched.keeper
        self._loop = loop
        self._ledger = ledger
        self._callbacks = callbacks
        self._claim = Claim(
            ledger.marker(port), frozenset((each.pid, each.started) for each in launched.tree)
        )
        self._connection = Connection(
            launched.link, launched.unread, loop, self._on_word, self._on_keeper_ended
        )
        self._stdin = None
        if launched.stdin is not None:
            self._stdin = StdinWriter(launched.stdin, loop, spec.stdin_limit, spec.argv)
        self._stderr = TailReader(launched.stderr, spec, loop)
        self._stdout = LineReader(
            launched.stdout,
            spec,
            loop,
            on_line=callbacks.on_line,
            on_end=self._on_output_ended,
            on_fault=self._on_fault,
            spill_path=lambda number: ledger.line_path(port, number),
        )
        self._over = threading.Event()
        self._done = threading.Event()
        self._letting_go = threading.Lock()
        self._stopped = False
        self._status: int | None = None
        self._fault: str | None = None
        self._gone = False
        self._output_ended = False
        self._outcome: PortExit | None = None
        self._reported = False

    def __repr__(self) -> str:
        state = "running" if self.exit is None else f"ended, {self.exit.status}"
        return f"<Port {self.id} {self.spec.argv[0]} pid={self.pid} {state}>"

    @property
    def exit(self) -> PortExit | None:
        """How it ended; None while something of its tree runs."""
        return self._outcome

    def write(self, data: bytes, timeout: float = 5.0) -> None:
        """Give bytes to the program, all or none. What is taken is not yet read.

        Args:
            data: the bytes.
            timeout: the seconds to wait for room; on the loop's thread it does not wait.

        Raises:
            InvalidInput: more bytes than `spec.stdin_limit`.
            QueueFull: no room in time.
            StdinClosed: stdin is closed, by either side, or was never open.
            PortClosed: the program has ended.
        """
        if self._stdin is None:
            raise StdinClosed(None, self.spec.argv)
        self._stdin.write(data, timeout)

    def close_stdin(self) -> None:
        """Let the program read end of file after what was written; again is no error."""
        if self._stdin is not None:
            self._stdin.close()

    def ack(self, count: int = 1) -> None:
        """Say that the oldest `count` lines have been consumed, so that more may come.

        Raises:
            InvalidInput: so many have not been delivered.
        """
        self._stdout.acknowledge(count)

    def pause(self) -> None:
        """Deliver no line from now on; the program waits when its pipe is full."""
        self._stdout.pause(True)

    def resume(self) -> None:
        """Deliver again."""
        self._stdout.pause(False)

    def signal(self, number: int) -> None:
        """Send a signal to the program's process group, as a terminal does with Ctrl-C.

        Raises:
            InvalidInput: there is no such signal.
            PortClosed: the program has ended.
            LoopStopped: the loop does not run.
        """
        if number not in valid_signals():
            raise InvalidInput("number", number, "a signal of this system")
        if self._status is not None or self._outcome is not None:
            raise PortClosed(self._status, self.spec.argv)
        self._loop.call(self._connection.say, "signal", int(number))

    def sample(self) -> TreeSample:
        """Measure the tree now. Blocks for some milliseconds."""
        return sample_trees({self.id: self._keeper.pid})[self.id]

    @property
    def keeper(self) -> int:
        """The pid of the keeper, whose descendants are the tree."""
        return self._keeper.pid

    def request_stop(self, grace: float | None = None) -> None:
        """Begin to end the tree and return at once; `on_exit` follows.

        A second request can only hasten the first. When the tree has ended, lines that wait for
        the consumer are delivered without waiting any longer.

        Args:
            grace: seconds from TERM to KILL, 0 for KILL at once; `spec.grace` if None.

        Raises:
            InvalidInput: the grace is negative or not finite.
            LoopStopped: the loop does not run.
        """
        seconds = self.spec.grace if grace is None else grace
        if not 0 <= seconds < math.inf:
            raise InvalidInput("grace", grace, "seconds, 0 or more, finite")
        self._stopped = True
        self._loop.call(self._stop, seconds)

    def stop(self, grace: float | None = None) -> PortExit:
        """End the tree and return how it ended; again returns the same. From any other thread.

        Blocks for at most the grace, twice `spec.kill_wait`, and 2 s: TERM, KILL by the keeper,
        then KILL from here, should the keeper or the loop not do their part. Lines may still be on
        their way when it returns; `on_exit` comes after them, and what it is given may have
        `undelivered`, `truncated` and a consumer's `fault` in addition.

        Args:
            grace: seconds from TERM to KILL; `spec.grace` if None.

        Raises:
            InvalidInput: the grace is negative or not finite.
            LoopStopped: called on the loop's own thread; use `request_stop` there.
        """
        if self._loop.on_thread():
            raise LoopStopped("the caller's")
        seconds = self.spec.grace if grace is None else grace
        try:
            self.request_stop(seconds)
            heard = self._over.wait(seconds + self.spec.kill_wait + MARGIN_S)
        except LoopStopped:
            heard = self._over.is_set()
        return self._outcome if heard and self._outcome else self._end_by_force()

    def wait(self, timeout: float) -> PortExit | None:
        """Wait until `on_exit` has run; return the exit, or None if that took over `timeout` s."""
        return self._outcome if self._done.wait(timeout) else None

    def start(self) -> None:
        """Begin to listen; called once by the host. From here on, all runs on the loop's thread."""
        self._loop.call(self._start)

    def _start(self) -> None:
        self._connection.start()
        self._stderr.start()
        self._stdout.start()

    def _stop(self, grace: float) -> None:
        if self._outcome is None:
            self._connection.say("stop", grace)
        else:
            self._stdout.release()

    def _on_word(self, words: list[str]) -> None:
        match words:
            case ["exit", status]:
                self._status = int(status)
                self._close_stdin()
            case ["left", *pids]:
                self._end(tuple(int(pid) for pid in pids))
            case ["gone"]:
                self._gone = True

    def _on_keeper_ended(self) -> None:
        self._loop.work(self._bury, self._end)

    def _bury(self) -> tuple[int, ...]:
        """Reap the keeper, end its tree if it has not, forget the record; return what survives."""
        # The connection ends when the kernel tears the keeper down: this waits for microseconds.
        self._keeper.wait()
        survivors: tuple[int, ...] = ()
        if not self._gone:
            self._fault = "keeper lost"
            survivors = self._end_alone(min(self.spec.grace, LOST_GRACE_S))
        if not survivors:
            # A record that stays is harmless: what it names has ended.
            with contextlib.suppress(OSError):
                self._ledger.remove(self.id)
        return survivors

    def _end_alone(self, grace: float) -> tuple[int, ...]:
        """End the tree without its keeper; return what survives."""
        try:
            _, left = end_trees([self._claim], grace, self.spec.kill_wait)
        except OSError:
            # No descriptors left, for example. What cannot be seen has to be taken for alive.
            return tuple(sorted(pid for pid, _ in self._claim.roots))
        return tuple(left[self._claim.marker])

    def _end(self, survivors: tuple[int, ...]) -> None:
        if self._outcome is not None:
            return
        self._stderr.tree_ended()
        self._close_stdin()
        self._outcome = PortExit(
            port=self.id,
            status=self._status,
            stopped=self._stopped,
            stderr=self._stderr.tail.text,
            survivors=survivors,
            fault=self._fault,
        )
        self._over.set()
        self._stdout.tree_ended()
        if self._stopped:
            self._stdout.release()
        self._report()

    def _close_stdin(self) -> None:
        if self._stdin is not None:
            self._stdin.end(PortClosed(self._status, self.spec.argv))

    def _on_output_ended(self) -> None:
        self._output_ended = True
        if self._outcome is None and self.spec.mute_grace is not None:
            self._loop.loop.call_later(self.spec.mute_grace, self._end_mute)
        self._report()

    def _end_mute(self) -> None:
        """End a program that can say nothing more, and lives on."""
        if self._outcome is None:
            self._fault = self._fault or "it closed its stdout, and went on"
            self._stop(self.spec.grace)

    def _on_fault(self, error: Exception) -> None:
        self._fault = f"on_line raised {error!r}"
        self._stop(self.spec.grace)

    def _report(self) -> None:
        if self._outcome is None or not self._output_ended or self._reported:
            return
        self._reported = True
        self._outcome = replace(
            self._outcome,
            fault=self._fault,
            undelivered=self._stdout.undelivered,
            truncated=self._stdout.truncated,
        )
        self._callbacks.on_end(self)
        try:
            self._callbacks.on_exit(self._outcome)
        finally:
            self._done.set()

    def _end_by_force(self) -> PortExit:
        """End the tree from the caller's thread, because keeper or loop did not do their part."""
        survivors = self._end_alone(0.0)
        exit = PortExit(self.id, None, True, survivors=survivors, fault="loop not answering")
        if self._loop.closed:
            return self._let_go(exit)
        return self._outcome if self._over.wait(MARGIN_S) and self._outcome else exit

    def _let_go(self, exit: PortExit) -> PortExit:
        """Free what the loop would have freed, had it not been closed; nobody is told."""
        with self._letting_go:
            if self._outcome is None:
                self._keeper.wait()
                self._connection.abandon()
                self._stdout.abandon()
                self._stderr.abandon()
                if self._stdin is not None:
                    self._stdin.abandon(PortClosed(None, self.spec.argv))
                self._outcome = exit
                self._over.set()
                self._done.set()
                self._callbacks.on_end(self)
            return self._outcome
