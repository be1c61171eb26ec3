"""An owner killed with -9 at any moment leaves nothing once the next start has reaped."""

import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from beam.ports import reap_leftovers
from beam.ports.processes import Process, descendants, read, same, snapshot, variable
from beam.ports.spec import OWNER_VARIABLE
from tests.ports.consumer import HANG_S, PROGRAMS
from tests.volume import scaled

KILLS = scaled(100)


def marked(owner: str) -> list[Process]:
    """Return what lives and carries the mark of an owner."""
    found = (row for row in snapshot().values() if owner in variable(row.pid, OWNER_VARIABLE))
    return [row for row in found if not row.zombie]


def wait_until_gone(process: Process) -> None:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if same(process, read(process.pid)):
            assert select.select([handle], [], [], HANG_S)[0], process
    finally:
        os.close(handle)


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(PROGRAMS / "restless_owner.py"), str(tmp_path / "ledger")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:
        yield owner
        owner.kill()


@pytest.mark.parametrize("seed", range(KILLS))
def test_an_owner_killed_at_any_moment_leaves_nothing(
    seed: int, owner: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    chance = random.Random(seed)
    assert owner.stdout
    for _ in range(chance.randrange(1, 30)):
        assert owner.stdout.read(1) == b"."
    victims = [owner.pid]
    if chance.random() < 0.5:
        # Its keepers die with it, those of half-made starts too.
        os.kill(owner.pid, signal.SIGSTOP)
        victims += [child.pid for child in psutil.Process(owner.pid).children()]
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    owner.wait()
    ledger = tmp_path / "ledger"
    [token] = [path.stem for path in ledger.glob("*.owner")]
    leftovers = reap_leftovers(ledger, grace=0)
    assert [each.survivors for each in leftovers if each.survivors] == []
    # A start that was not recorded yet ends by itself: its keeper, and what waits to be let go. The
    # keeper may have begun that one after the look at the table that found itself.
    while alive := marked(token):
        for process in alive:
            wait_until_gone(process)
    assert list(ledger.iterdir()) == []
    assert descendants(snapshot(), owner.pid) == []
