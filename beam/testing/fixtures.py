"""Pytest fixtures that run one test on every scheduler.

    pytest_plugins = ["beam.testing.fixtures"]      # in the conftest.py at the root

    def test_a_counter_counts(node):                # three tests: pool, thread, simulation
        counter = Counter.start()
        counter.cast(1)
        settle()
        assert counter.proxy().count.get() == 1

`node` is the current node of the test; when the test is over it is stopped, and must have left
none of its threads behind. `scheduler` is its scheduler's name. A test, or a module, that can only
be on some of them says so: `@pytest.mark.schedulers("pool", "thread")`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from beam.otp.reports import unreported
from beam.testing.schedulers import SCHEDULERS, SchedulerName, node_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beam.otp import Node

__all__ = ["node", "pytest_configure", "pytest_generate_tests", "scheduler", "unlogged"]

# Seconds for the threads of a node to end.
SOON = 30.0


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "schedulers(*names): the schedulers a test can be on")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `scheduler`, or `node`, on each that it can be on.

    One that says itself what its `scheduler` is, is left alone.
    """
    if "scheduler" in metafunc.fixturenames and "scheduler" not in _by_hand(metafunc):
        mark = metafunc.definition.get_closest_marker("schedulers")
        names = mark.args if mark is not None else SCHEDULERS
        metafunc.parametrize("scheduler", names, indirect=True)


def _by_hand(metafunc: pytest.Metafunc) -> set[str]:
    """Return what a test, its class or its module parametrizes itself."""
    named = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    return {
        name.strip()
        for names in named
        for name in (names.split(",") if isinstance(names, str) else names)
    }


@pytest.fixture
def scheduler(request: Any) -> SchedulerName:
    """The name of the scheduler of this test."""
    name: SchedulerName = request.param
    return name


@pytest.fixture
def node(scheduler: SchedulerName) -> Iterator[Node]:
    """The current node of the test, on each scheduler in turn."""
    with node_on(scheduler) as node:
        yield node
    left = [each for each in threading.enumerate() if each.name.startswith(f"{node.name}-")]
    for thread in left:
        thread.join(SOON)
    assert [thread for thread in left if thread.is_alive()] == []
    assert node.processes() == []


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Keep reports of crashes that are meant out of the output."""
    with unreported(everywhere=True):
        yield
