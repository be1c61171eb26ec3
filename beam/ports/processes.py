"""The machine's process table, read with the standard library alone.

    >>> import os
    >>> me = read(os.getpid())
    >>> me.parent == os.getppid(), same(me, read(me.pid))
    (True, True)

A process is known by its pid and its start time together, because pids are used again (never by
its name, which says nothing). On Linux this reads `/proc` and signals through a pidfd, so that a
signal cannot reach a later process with the same pid. Elsewhere it asks `ps`, whose start times
are in whole seconds, and the check and the signal are two steps.

The keeper imports this module in a process of its own for each port, so it imports little: what
would be a dataclass elsewhere is a plain class here.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = [
    "Process",
    "Table",
    "boot",
    "descendants",
    "namespace",
    "read",
    "same",
    "send",
    "snapshot",
    "variable",
]


class Process:
    """One row of the table.

    Attributes:
        pid: the process.
        parent: the pid of its parent.
        group: its process group.
        started: its start time, a text to compare and nothing else.
        zombie: whether it has ended and waits to be reaped.
    """

    __slots__ = ("group", "parent", "pid", "started", "zombie")

    def __init__(self, pid: int, parent: int, group: int, started: str, zombie: bool) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group
        self.started = started
        self.zombie = zombie

    def __repr__(self) -> str:
        return f"Process(pid={self.pid}, parent={self.parent}, started={self.started!r})"


Table = dict[int, Process]


def same(one: Process, other: Process | None) -> bool:
    """Return whether both are the same process, alive or dead."""
    return other is not None and one.pid == other.pid and one.started == other.started


def descendants(table: Table, root: int) -> list[Process]:
    """Return the processes below `root` in `table`, parents before children, without `root`."""
    children: dict[int, list[Process]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    above = [root]
    while above:
        below = [each for pid in above for each in children.pop(pid, ())]
        found += below
        above = [each.pid for each in below]
    return found


if sys.platform == "linux":

    def read(pid: int) -> Process | None:
        """Return the process with this pid, None if there is none."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                text = file.read()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The name may hold spaces and parentheses; the fields start after its last one.
        rest = text[text.rindex(b")") + 2 :].split()
        return Process(pid, int(rest[1]), int(rest[2]), rest[19].decode(), rest[0] in b"ZX")

    def snapshot() -> Table:
        """Return every process that this one can see, by pid."""
        rows = (read(int(name)) for name in os.listdir("/proc") if name.isdigit())
        return {row.pid: row for row in rows if row is not None}

    def boot() -> str:
        """Return the name of this run of the machine; pids and start times hold within one."""
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()

    def namespace() -> str:
        """Return the name of the pid namespace; pids mean something within one only."""
        return os.readlink("/proc/self/ns/pid")

    def variable(pid: int, name: str) -> str:
        """Return an environment variable of another process as it was at its start.

        Empty also for processes of other users, whose environment is not ours to read.
        """
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
        except OSError:
            return ""
        head = name.encode() + b"="
        for entry in environment.split(b"\0"):
            if entry.startswith(head):
                return entry[len(head) :].decode("utf-8", "replace")
        return ""

    def _hold(pid: int) -> int | None:
        try:
            return os.pidfd_open(pid)
        except (AttributeError, OSError):  # an old kernel, or a Python built for one
            return None

else:

    def read(pid: int) -> Process | None:
        """Return the process with this pid, None if there is none."""
        return _ps("-p", str(pid)).get(pid)

    def snapshot() -> Table:
        """Return every process that this one can see, by pid."""
        return _ps("-ax")

    def boot() -> str:
        """Return the start of the first process: the name of this run of the machine."""
        first = read(1)
        return first.started if first else ""

    def namespace() -> str:
        """Return an empty text: there is one pid namespace."""
        return ""

    def variable(pid: int, name: str) -> str:
        """Return an empty text: the environment of another process cannot be read here."""
        return ""

    def _hold(pid: int) -> int | None:
        return None

    def _ps(*which: str) -> Table:
        import subprocess  # noqa: PLC0415  # the keeper on Linux starts faster without it

        command = ["ps", *which, "-o", "pid=,ppid=,pgid=,stat=,lstart="]
        environment = {**os.environ, "LC_ALL": "C"}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as ps:
            table = parse(ps.communicate()[0])
        # It sees itself, below us, and is gone by now.
        table.pop(ps.pid, None)
        return table


def send(process: Process, number: int) -> bool:
    """Send a signal to this process and no other.

    Returns:
        True if it was sent; False if the process has ended, or may not be signalled by us.
    """
    handle = _hold(process.pid)
    try:
        now = read(process.pid)
        if now is None or now.zombie or not same(process, now):
            return False
        if handle is None:
            os.kill(process.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        if handle is not None:
            os.close(handle)
    return True


def parse(text: str) -> Table:
    """Read the lines of `ps -o pid=,ppid=,pgid=,stat=,lstart=`."""
    table: Table = {}
    for line in text.splitlines():
        pid, parent, group, state, *started = line.split()
        row = Process(int(pid), int(parent), int(group), " ".join(started), state[0] == "Z")
        table[row.pid] = row
    return table
