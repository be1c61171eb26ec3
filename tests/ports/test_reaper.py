"""What a `kill -9` leaves is found at the next start, by pid and start time and by mark."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from beam.ports import LoopThread, PortHost, reap_leftovers
from beam.ports.processes import read
from beam.ports.spec import OWNER_VARIABLE
from tests.ports.conftest import Start
from tests.ports.consumer import HANG_S, PROGRAMS, program


@dataclass
class Owned:
    keeper: int
    program: int
    said: str

    @property
    def pids(self) -> list[int]:
        return [
            self.keeper,
            self.program,
            *(int(word) for word in self.said.split() if word.isdigit()),
        ]


class Owner:
    """A process that owns ports, to be killed."""

    def __init__(self, ledger: Path, *programs: str) -> None:
        command = [sys.executable, str(PROGRAMS / "owner.py"), str(ledger), *programs]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.ports = []
        for _ in programs:
            line = self.process.stdout.readline().rstrip("\n")
            assert line, f"the owner ended with {self.process.wait()}"
            keeper, pid, said = line.split(" ", 2)
            self.ports.append(Owned(int(keeper), int(pid), said))

    @property
    def pids(self) -> list[int]:
        return [pid for port in self.ports for pid in port.pids]

    def kill(self, *, keepers: bool) -> None:
        """Kill the owner with -9, and its keepers at the same moment if asked for."""
        victims = [self.process.pid, *(port.keeper for port in self.ports if keepers)]
        for pid in victims:
            os.kill(pid, signal.SIGSTOP)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        wait_until_gone(victims)
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


def running(pids: list[int]) -> list[int]:
    found = ((pid, read(pid)) for pid in pids)
    return [pid for pid, process in found if process and not process.zombie]


def wait_until_gone(pids: list[int]) -> None:
    for pid in running(pids):
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended, _, _ = select.select([handle], [], [], HANG_S)
        os.close(handle)
        assert ended, pid
    assert running(pids) == []


@pytest.fixture
def owners() -> Iterator[list[Owner]]:
    owners: list[Owner] = []
    yield owners
    for owner in owners:
        if owner.process.poll() is None:
            owner.kill(keepers=False)
        wait_until_gone(owner.pids)


def test_the_trees_end_by_themselves_when_their_owner_is_killed(
    ledger: Path, owners: list[Owner]
) -> None:
    owner = Owner(ledger, "ignores_term.py", "runaways.py")
    owners.append(owner)
    assert running(owner.pids) == owner.pids
    owner.kill(keepers=False)
    wait_until_gone(owner.pids)


def test_the_next_start_leaves_nothing_of_a_killed_owner(ledger: Path, owners: list[Owner]) -> None:
    owner = Owner(ledger, "ignores_term.py", "runaways.py")
    owners.append(owner)
    owner.kill(keepers=False)
    reap_leftovers(ledger, grace=0.1)
    assert running(owner.pids) == []
    assert list(ledger.iterdir()) == []


def test_what_lost_its_keeper_too_is_found_and_named(ledger: Path, owners: list[Owner]) -> None:
    owner = Owner(ledger, "ignores_term.py", "answers_term.py")
    owners.append(owner)
    owner.kill(keepers=True)
    programs = [port.program for port in owner.ports]
    assert running(programs) == programs
    leftovers = reap_leftovers(ledger, grace=0.1)
    assert running(programs) == []
    assert [each.ended for each in leftovers] == [(pid,) for pid in programs]
    assert [each.port for each in leftovers] == ["p1", "p2"]
    assert {each.program for each in leftovers} == {os.path.basename(sys.executable)}
    assert list(ledger.iterdir()) == []
    assert reap_leftovers(ledger) == ()


def test_orphans_in_other_sessions_are_found_by_their_mark(
    ledger: Path, owners: list[Owner]
) -> None:
    owner = Owner(ledger, "runaways.py")
    owners.append(owner)
    child, in_session, orphan, cleared = (int(word) for word in owner.ports[0].said.split())
    del child, in_session
    owner.kill(keepers=True)
    os.kill(owner.ports[0].program, signal.SIGKILL)
    reap_leftovers(ledger, grace=0)
    left = running(owner.pids)
    # The stated limit: without ancestors and without its environment, a process is not known.
    assert left in ([], [cleared])
    assert orphan not in left
    for pid in left:
        os.kill(pid, signal.SIGKILL)


def test_a_live_owner_is_left_alone(ledger: Path, owners: list[Owner]) -> None:
    owner = Owner(ledger, "ignores_term.py")
    owners.append(owner)
    assert reap_leftovers(ledger, grace=0) == ()
    assert running(owner.pids) == owner.pids


def test_we_do_not_reap_ourselves(start: Start, ledger: Path) -> None:
    port, consumer = start(program("ignores_term"))
    consumer.wait_for_lines(1)
    assert reap_leftovers(ledger, grace=0) == ()
    assert port.exit is None


def test_a_live_owner_is_known_without_its_lock(ledger: Path, owners: list[Owner]) -> None:
    owner = Owner(ledger, "ignores_term.py")
    owners.append(owner)
    # A copy is another file: nobody holds a lock on it.
    [path] = ledger.glob("*.owner")
    copy = path.read_bytes()
    path.unlink()
    path.write_bytes(copy)
    assert reap_leftovers(ledger, grace=0) == ()
    assert running(owner.pids) == owner.pids


def test_a_pid_that_was_used_again_is_left_alone(ledger: Path, owners: list[Owner]) -> None:
    owner = Owner(ledger, "ignores_term.py")
    owners.append(owner)
    owner.kill(keepers=False)
    wait_until_gone(owner.pids)
    with subprocess.Popen(["sleep", "600"]) as innocent:
        [path] = ledger.glob("*.port")
        path.write_text(json.dumps({"program": "x", "processes": [[innocent.pid, "1"]]}))
        assert reap_leftovers(ledger, grace=0) == ()
        assert innocent.poll() is None
        innocent.kill()


@pytest.mark.parametrize("torn", [b"", b'{"program": "x", "proc', b"[]", b'{"processes": [[1]]}'])
def test_a_torn_entry_is_tolerated_and_its_tree_found_by_its_mark(
    torn: bytes, ledger: Path, owners: list[Owner]
) -> None:
    owner = Owner(ledger, "ignores_term.py")
    owners.append(owner)
    owner.kill(keepers=True)
    [path] = ledger.glob("*.port")
    path.write_bytes(torn)
    [leftover] = reap_leftovers(ledger, grace=0)
    assert leftover.ended == (owner.ports[0].program,)
    assert list(ledger.iterdir()) == []


def test_after_a_reboot_pids_mean_nothing(ledger: Path, owners: list[Owner]) -> None:
    owner = Owner(ledger, "ignores_term.py")
    owners.append(owner)
    owner.kill(keepers=False)
    wait_until_gone(owner.pids)
    with subprocess.Popen(["sleep", "600"]) as innocent:
        process = read(innocent.pid)
        assert process
        [path] = ledger.glob("*.port")
        roots = [[process.pid, process.started]]
        path.write_text(json.dumps({"program": "x", "processes": roots}))
        [path] = ledger.glob("*.owner")
        path.write_text(path.read_text().replace('"boot": "', '"boot": "another'))
        assert reap_leftovers(ledger, grace=0) == ()
        assert innocent.poll() is None
        innocent.kill()
    assert list(ledger.iterdir()) == []


def test_who_reaps_does_not_end_itself(ledger: Path, owners: list[Owner]) -> None:
    owner = Owner(ledger, "ignores_term.py")
    owners.append(owner)
    owner.kill(keepers=True)
    [path] = ledger.glob("*.owner")
    code = (
        "import pathlib, sys; from beam.ports import reap_leftovers;"
        "print(len(reap_leftovers(pathlib.Path(sys.argv[1]), grace=0)))"
    )
    environment = {**os.environ, OWNER_VARIABLE: f"{path.stem}:p1:"}
    command = [sys.executable, "-c", code, str(ledger)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert running(owner.pids) == []


def test_a_ledger_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert reap_leftovers(tmp_path / "no") == ()


def test_files_of_others_are_not_touched(ledger: Path, loop: LoopThread) -> None:
    PortHost(ledger, loop).close()
    for name in ("notes.owner", "readme.txt"):
        (ledger / name).touch()
    assert reap_leftovers(ledger) == ()
    assert len(list(ledger.iterdir())) == 2


def test_a_forked_copy_of_the_owner_does_not_keep_the_tree_alive(
    ledger: Path, owners: list[Owner]
) -> None:
    # Nothing to see here but the end: the fork is made by the owner itself.
    owner = Owner(ledger, "ignores_term.py")
    owners.append(owner)
    os.kill(owner.process.pid, signal.SIGUSR1)
    assert owner.process.stdout
    copy = int(owner.process.stdout.readline())
    owner.kill(keepers=False)
    wait_until_gone(owner.pids)
    assert running([copy]) == [copy]
    assert reap_leftovers(ledger) == ()
    assert list(ledger.iterdir()) == []
    os.kill(copy, signal.SIGKILL)
