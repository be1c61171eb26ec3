"""A loop, a host and a way to start fake programs; each test must leave nothing behind."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from beam.ports import LoopThread, Port, PortHost, PortSpec
from tests.ports.consumer import Consumer

Start = Callable[..., tuple[Port, Consumer]]


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fail if the test leaves a child, a zombie or a descriptor."""
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert psutil.Process().children(recursive=True) == []
    assert len(os.listdir("/proc/self/fd")) <= len(before)


@pytest.fixture
def loop(nothing_left: None) -> Iterator[LoopThread]:
    thread = LoopThread()
    thread.start()
    yield thread
    leftovers = thread.stop()
    assert leftovers.stuck == ()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def host(loop: LoopThread, ledger: Path) -> Iterator[PortHost]:
    host = PortHost(ledger, loop)
    yield host
    host.close(grace=0)


@pytest.fixture
def start(host: PortHost) -> Start:
    def start(spec: PortSpec, *, acks: bool = True) -> tuple[Port, Consumer]:
        consumer = Consumer(acks=acks)
        port = host.start(spec, on_line=consumer.on_line, on_exit=consumer.on_exit)
        consumer.started(port)
        return port, consumer

    return start
