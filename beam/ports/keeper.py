"""The keeper: a small process between us and each program, which owns the program's whole tree.

It runs on its own, started by `launch.py` as `python -I -S`, and does four things:

1. It holds the program back until we have written down what is about to run (`ledger.py`).
2. On Linux it is the *subreaper* of the tree: whatever a descendant does (its own session, two
   forks, a cleared environment), when its parent dies it comes back to the keeper. So the tree is
   exactly what is below the keeper, and it is gone exactly when the keeper has no child left.
   Were we the subreaper ourselves, we would inherit orphans that are none of our business.
3. It ends the tree: TERM to every process, KILL to what is left after the grace. It does so when
   told to, when the program itself has ended, and when its connection to us ends, which is what
   happens when we are killed with `kill -9`.
4. It reports the exit status of the program, once.

The connection is a stream socket. We send an order (`launch.py` builds it: its length in 8 bytes,
then fields that end with NUL), then lines: `go`, `stop SECONDS`, `signal NUMBER`. The keeper sends
lines: `forked PID`, `started` or `failed STAGE ERRNO`, `exit STATUS`, `left PID...` (KILL has not
ended these in time) and `gone`.

Limits: a keeper that is itself killed with `kill -9` leaves its tree to the ledger. Off Linux
there is no subreaper: a descendant that left the group and lost its parent before the end began is
not found. Neither is what an outside service starts on the program's behalf (`systemd-run`,
`docker run`).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import signal
import sys
import time

from beam.ports.processes import Process, descendants, same, send, snapshot

__all__ = ["main"]

LENGTH_BYTES = 8
RESCAN_S = 0.02
SURVIVOR_RESCAN_S = 1.0
PR_SET_CHILD_SUBREAPER = 36
RESET_SIGNALS = ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGCHLD")


class Order:
    """What to start.

    Attributes:
        grace: seconds from TERM to KILL.
        kill_wait: seconds that KILL may take.
        cwd: the directory, empty for ours.
        argv: the program and its arguments.
        env: its environment.
    """

    __slots__ = ("argv", "cwd", "env", "grace", "kill_wait")

    def __init__(self, blob: bytes) -> None:
        grace, kill_wait, self.cwd, count, *rest = blob.split(b"\0")[:-1]
        self.grace = float(grace)
        self.kill_wait = float(kill_wait)
        words = int(count)
        self.argv = rest[:words]
        self.env = dict(entry.split(b"=", 1) for entry in rest[words:])


class Link:
    """The keeper's end of the connection."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._buffer = b""

    def blob(self) -> bytes:
        """Read the length and as many bytes; raise `EOFError` if the connection ends."""
        while len(self._buffer) < LENGTH_BYTES or len(self._buffer) < self._end():
            self._more()
        end = self._end()
        blob, self._buffer = self._buffer[LENGTH_BYTES:end], self._buffer[end:]
        return blob

    def line(self) -> list[str]:
        """Wait for a line and return its words; raise `EOFError` if the connection ends."""
        while b"\n" not in self._buffer:
            self._more()
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode().split()

    def lines(self) -> list[list[str]]:
        """Read what has arrived and return the words of each whole line in it."""
        self._more()
        *whole, self._buffer = self._buffer.split(b"\n")
        return [line.decode().split() for line in whole]

    def say(self, *words: object) -> None:
        """Send a line; the other side may have gone."""
        try:
            os.write(self.fd, (" ".join(map(str, words)) + "\n").encode())
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise

    def _end(self) -> int:
        return LENGTH_BYTES + int.from_bytes(self._buffer[:LENGTH_BYTES], "big")

    def _more(self) -> None:
        try:
            data = os.read(self.fd, 65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        self._buffer += data


class Tree:
    """The processes below the keeper, and the pid of the program at their top."""

    def __init__(self, leader: int, subreaper: bool) -> None:
        self.leader = leader
        self._subreaper = subreaper
        self._seen: dict[int, Process] = {}

    def signal(self, *numbers: int) -> list[int]:
        """Send the signals to every process of the tree; return the pids."""
        members = self.members()
        for process in members:
            for number in numbers:
                send(process, number)
        return [process.pid for process in members]

    def interrupt(self, number: int) -> None:
        """Send a signal to the group of the leader, which must not have been reaped."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.leader, number)

    def members(self) -> list[Process]:
        """Return the processes of the tree that live."""
        table = snapshot()
        members = [each for each in descendants(table, os.getpid()) if not each.zombie]
        if self._subreaper:
            return members
        group = [each for each in table.values() if each.group == self.leader]
        kept = [each for each in self._seen.values() if same(each, table.get(each.pid))]
        self._seen = {each.pid: each for each in [*members, *group, *kept] if not each.zombie}
        return list(self._seen.values())

    def gone(self) -> bool:
        """Return whether nothing is left, once the keeper has no child any more."""
        return self._subreaper or not self.members()


class Keeper:
    """The life of one tree, from the start of its program to the end of its last process."""

    def __init__(self, link: Link, tree: Tree, wake: int, grace: float, kill_wait: float) -> None:
        self._link = link
        self._tree = tree
        self._wake = wake
        self._grace = grace
        self._kill_wait = kill_wait
        self._kill_at: float | None = None
        self._give_up_at: float | None = None
        self._reported = False
        self._leader_lives = True
        self._poll = select.poll()
        self._poll.register(wake, select.POLLIN)
        self._poll.register(link.fd, select.POLLIN)

    def run(self) -> None:
        """Return when the tree is gone."""
        while self._reap() or not self._tree.gone():
            self._kill_if_due()
            for fd, _ in self._poll.poll(self._timeout()):
                if fd == self._wake:
                    self._woken()
                else:
                    self._obey()
        self._link.say("gone")

    def _reap(self) -> bool:
        """Collect the children that have ended; return whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._tree.leader and self._leader_lives:
                self._leader_lives = False
                self._link.say("exit", os.waitstatus_to_exitcode(status))
                self._stop(self._grace)

    def _woken(self) -> None:
        # SIGCHLD only interrupts the wait; any other signal caught here asks for the end.
        if any(number != signal.SIGCHLD for number in os.read(self._wake, 4096)):
            self._stop(self._grace)

    def _obey(self) -> None:
        try:
            commands = self._link.lines()
        except EOFError:
            self._poll.unregister(self._link.fd)
            self._stop(self._grace)
            return
        for command in commands:
            match command:
                case ["stop", seconds]:
                    self._stop(float(seconds))
                case ["signal", number] if self._leader_lives:
                    self._tree.interrupt(int(number))

    def _stop(self, grace: float) -> None:
        """Ask the tree to end within `grace` seconds; a second call can only hasten it."""
        kill_at = time.monotonic() + grace
        if self._kill_at is not None:
            self._kill_at = min(self._kill_at, kill_at)
            return
        self._kill_at = kill_at
        if grace > 0:
            # A stopped process takes its TERM only once it continues.
            self._tree.signal(signal.SIGTERM, signal.SIGCONT)

    def _kill_if_due(self) -> None:
        now = time.monotonic()
        if self._kill_at is None or now < self._kill_at:
            return
        left = self._tree.signal(signal.SIGKILL)
        if self._give_up_at is None:
            self._give_up_at = now + self._kill_wait
        elif now >= self._give_up_at and left and not self._reported:
            self._reported = True
            self._link.say("left", *left)

    def _timeout(self) -> float | None:
        """Return the milliseconds to wait for an event."""
        if self._kill_at is None:
            return None
        if self._give_up_at is None:
            return max(0.0, self._kill_at - time.monotonic()) * 1000 + 1
        # A tree that forks while it is killed has new members that no event announces.
        return (SURVIVOR_RESCAN_S if self._reported else RESCAN_S) * 1000


def main() -> None:
    """Keep one tree; the number of the connection's descriptor is the first argument."""
    fd = int(sys.argv[1])
    os.set_inheritable(fd, False)
    link = Link(fd)
    subreaper = _become_subreaper()
    wake = _catch_signals()
    try:
        order = Order(link.blob())
        leader = _start(link, order)
    except EOFError:
        return
    _let_go_of_the_pipes()
    tree = Tree(leader, subreaper)
    Keeper(link, tree, wake, order.grace, order.kill_wait).run()


def _become_subreaper() -> bool:
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def _catch_signals() -> int:
    """Turn signals into bytes on a pipe and return its reading end."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return read_end


def _let_go_of_the_pipes() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    os.close(null)
    os.chdir("/")


def _start(link: Link, order: Order) -> int:
    """Fork the program, held back until `go`; return its pid."""
    gate_out, gate_in = os.pipe()
    errors_out, errors_in = os.pipe()
    leader = os.fork()
    if leader == 0:
        os.close(gate_in)
        _become(order, gate_out, errors_in)
    os.close(gate_out)
    os.close(errors_in)
    link.say("forked", leader)
    if link.line() == ["go"]:
        os.write(gate_in, b"g")
    os.close(gate_in)
    failure = os.read(errors_out, 256).decode()
    os.close(errors_out)
    link.say(*(("failed", failure) if failure else ("started",)))
    return leader


def _become(order: Order, gate: int, errors: int) -> None:
    """Turn this forked copy of the keeper into the program; never return."""
    stage = "fork"
    try:
        signal.set_wakeup_fd(-1)
        for name in RESET_SIGNALS:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.setsid()
        if os.read(gate, 1) == b"g":
            if order.cwd:
                stage = "cwd"
                os.chdir(order.cwd)
            stage = "exec"
            os.execvpe(order.argv[0], order.argv, order.env)
    except OSError as error:
        os.write(errors, f"{stage} {error.errno}".encode())
    finally:
        os._exit(127)
