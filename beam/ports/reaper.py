"""End the trees that have lost their keeper, and what a dead owner left behind.

A process belongs to a recorded tree if it is one of those written down, with the same pid *and* the
same start time, or descends from one, or has the port's marker in the environment it was started
with. It is never judged by its name.

Limits: a process that cleared its environment and whose ancestors have all died is not found, nor,
off Linux, one whose ancestors have all died. Both need that the keeper was killed too: a keeper
that lives ends its whole tree by itself when its owner dies. This module takes time (it waits for
processes to end) and is not for the loop thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from beam.ports import processes
from beam.ports.ledger import private_directory
from beam.ports.processes import Process, descendants, send, snapshot, variable
from beam.ports.spec import OWNER_VARIABLE

__all__ = ["Leftover", "end_trees", "reap_leftovers"]

RESCAN_S = 0.02
_NAME = re.compile(r"(?P<owner>[0-9a-f]{32})\.owner")


@dataclass(frozen=True, slots=True)
class Leftover:
    """A port of a dead owner of which something was still there.

    Attributes:
        port: the port's name with its dead owner.
        program: the name of its program, for display.
        ended: the pids that were there and are not any more.
        survivors: the pids that did not end; they stay recorded.
    """

    port: str
    program: str
    ended: tuple[int, ...]
    survivors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is known of one tree.

    Attributes:
        marker: the word that marks its descendants.
        roots: the processes that were written down, as pairs of pid and start time.
        program: the name of its program.
    """

    marker: str
    roots: frozenset[tuple[int, str]]
    program: str = "?"


Found = dict[str, dict[int, Process]]


def find(claims: Iterable[Claim]) -> Found:
    """Return the living processes of each claim, by marker and pid.

    This process and its ancestors are left out, so that who reaps does not end itself.
    """
    table = snapshot()
    spared = _ancestors(table)
    words = {pid: variable(pid, OWNER_VARIABLE).split() for pid in table}
    found: Found = {}
    for claim in claims:
        roots = [each for each in table.values() if (each.pid, each.started) in claim.roots]
        roots += [table[pid] for pid, marks in words.items() if claim.marker in marks]
        members = {each.pid: each for each in roots}
        for root in roots:
            members.update((each.pid, each) for each in descendants(table, root.pid))
        found[claim.marker] = {
            pid: each for pid, each in members.items() if pid not in spared and not each.zombie
        }
    return found


def end_trees(claims: Iterable[Claim], grace: float, kill_wait: float) -> tuple[Found, Found]:
    """Send TERM to what is found, KILL to what is found after the grace, until nothing is.

    Args:
        claims: the trees.
        grace: seconds from TERM to KILL; 0 for no TERM.
        kill_wait: seconds that KILL may take.

    Returns:
        All that was found, and of it what is still there.
    """
    claims = list(claims)
    if not claims:
        return {}, {}
    seen: Found = {claim.marker: {} for claim in claims}

    def sweep(*numbers: int) -> Found:
        found = find(claims)
        for marker, members in found.items():
            seen[marker].update(members)
            for member in members.values():
                for number in numbers:
                    send(member, number)
        return found

    left = sweep(signal.SIGTERM, signal.SIGCONT) if grace > 0 else sweep(signal.SIGKILL)
    for numbers, seconds in (((), grace), ((signal.SIGKILL,), kill_wait)):
        left = _repeat(sweep, left, numbers, seconds)
    return seen, left


def _repeat(
    sweep: Callable[..., Found], left: Found, numbers: tuple[int, ...], seconds: float
) -> Found:
    deadline = time.monotonic() + seconds
    while any(left.values()) and time.monotonic() < deadline:
        time.sleep(RESCAN_S)
        left = sweep(*numbers)
    return left


def reap_leftovers(
    directory: Path, *, grace: float = 2.0, kill_wait: float = 5.0
) -> tuple[Leftover, ...]:
    """End what dead owners left running, and remove their records. Blocks the calling thread.

    Call it before the own ledger is opened, or after; live owners are left alone.

    Args:
        directory: the ledger's directory; one that is not there holds nothing.
        grace: seconds from TERM to KILL, for all together.
        kill_wait: seconds that KILL may take.

    Returns:
        The ports of which something was still there.

    Raises:
        InvalidInput: others can write to the directory.
        OSError: the directory could not be read or changed.
    """
    if not directory.exists():
        return ()
    private_directory(directory)
    with contextlib.ExitStack() as locks:
        owners = list(_dead_owners(directory, locks, grace + kill_wait))
        claims = [claim for owner in owners for claim in _claims(directory, owner)]
        seen, left = end_trees(claims, grace, kill_wait)
        for owner in owners:
            _forget(directory, owner, left)
    return tuple(
        _leftover(claim, seen[claim.marker], left[claim.marker])
        for claim in claims
        if seen[claim.marker]
    )


def _leftover(claim: Claim, seen: dict[int, Process], left: dict[int, Process]) -> Leftover:
    port = claim.marker.split(":")[1]
    ended = tuple(sorted(seen.keys() - left.keys()))
    return Leftover(port, claim.program, ended, tuple(sorted(left)))


@dataclass(frozen=True, slots=True)
class _Owner:
    token: str
    comparable: bool


def _dead_owners(directory: Path, locks: contextlib.ExitStack, patience: float) -> Iterator[_Owner]:
    """Yield the owners that are dead, locked so that nobody else reaps them meanwhile."""
    deadline = time.monotonic() + patience
    for path in sorted(directory.glob("*.owner")):
        name = _NAME.fullmatch(path.name)
        if name is None:
            continue
        with contextlib.suppress(FileNotFoundError):
            file = locks.enter_context(path.open("rb"))
            identity = _read_json(path)
            if _lives(identity):
                continue
            # Where its pid means something, its owner is dead for certain, and the lock is held by
            # somebody else who reaps, or by a child that was killed on its way to its program.
            comparable = _comparable(identity)
            locked = _lock(file, deadline if comparable else 0.0)
            # A file that was removed before we had the lock has been seen to by somebody else.
            if locked and os.fstat(file.fileno()).st_nlink:
                yield _Owner(name["owner"], comparable)


def _lock(file: BinaryIO, deadline: float) -> bool:
    """Lock the file, trying until the deadline and at least once; return whether it is locked."""
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(RESCAN_S)
        else:
            return True


def _comparable(identity: dict[str, object]) -> bool:
    """Return whether its pids and start times mean here and now what they meant when written."""
    here = (processes.boot(), processes.namespace())
    return (identity.get("boot"), identity.get("namespace")) == here


def _lives(identity: dict[str, object]) -> bool:
    pid = identity.get("pid")
    if not _comparable(identity) or not isinstance(pid, int):
        return False
    now = processes.read(pid)
    return now is not None and not now.zombie and now.started == identity.get("started")


def _claims(directory: Path, owner: _Owner) -> Iterator[Claim]:
    for path in sorted(directory.glob(f"{owner.token}.*.port")):
        entry = _read_json(path)
        port = path.name.split(".")[1]
        yield Claim(
            f"{owner.token}:{port}:",
            frozenset(_roots(entry) if owner.comparable else ()),
            str(entry.get("program", "?")),
        )


def _roots(entry: dict[str, object]) -> Iterator[tuple[int, str]]:
    rows = entry.get("processes")
    for row in rows if isinstance(rows, list) else ():
        match row:
            case [int(pid), str(started)]:
                yield pid, started


def _read_json(path: Path) -> dict[str, object]:
    """Return what the file holds, nothing if it is torn."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _forget(directory: Path, owner: _Owner, left: Found) -> None:
    """Remove the records of an owner, except of the trees that are still there."""
    for path in directory.glob(f"{owner.token}.*.line"):
        path.unlink(missing_ok=True)
    kept = False
    for path in directory.glob(f"{owner.token}.*.port"):
        port = path.name.split(".")[1]
        if left.get(f"{owner.token}:{port}:"):
            kept = True
        else:
            path.unlink(missing_ok=True)
    if not kept:
        (directory / f"{owner.token}.owner").unlink(missing_ok=True)


def _ancestors(table: processes.Table) -> set[int]:
    spared = set()
    pid = os.getpid()
    while pid in table and pid not in spared:
        spared.add(pid)
        pid = table[pid].parent
    return spared
