"""Many starts and kills leave nothing: no process, no zombie, no descriptor, no record."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from beam.ports import PortHost, PortSpec
from tests.ports.conftest import Start
from tests.volume import scaled

SHELL = 'trap "" TERM; (sleep 600 & exec sleep 600) & setsid sleep 600 & echo up; wait'


@pytest.mark.timeout(1800)
def test_cycles_of_start_and_kill_leave_nothing(start: Start, host: PortHost, ledger: Path) -> None:
    spec = PortSpec.of(["sh", "-c", SHELL], grace=0)
    before = len(os.listdir("/proc/self/fd"))

    def cycle(seed: int) -> None:
        port, consumer = start(spec)
        # Some are killed on their way up, some when their tree is complete.
        if random.Random(seed).random() < 0.5:
            consumer.wait_for_lines(1)
        exit = port.stop()
        assert (exit.survivors, exit.fault) == ((), None)
        assert consumer.wait_for_exit() is port.wait(60)

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(cycle, range(scaled(10_000, 100))):
            pass
    assert host.ports == ()
    assert psutil.Process().children(recursive=True) == []
    assert [each for each in psutil.process_iter() if runs_here(each, ledger)] == []
    assert len(os.listdir("/proc/self/fd")) <= before
    assert list(ledger.glob("*.port")) == []


def runs_here(process: psutil.Process, ledger: Path) -> bool:
    """Return whether a process carries the mark of this test's ledger."""
    [owner] = ledger.glob("*.owner")
    try:
        return owner.stem in process.environ().get("BEAM_OWNER", "")
    except psutil.Error:
        return False
