"""A node for each test, which must leave none of its threads behind."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import structlog

from beam.otp import Node, Tasks
from tests.otp.actors import SOON, Gate, Wall
from tests.otp.kids import family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beam.otp.tasks import TasksRef
    from tests.otp.kids import Diary


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Keep the reports of crashes that are meant out of the output, and out of memory."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def node(unlogged: None, node: Node) -> Node:
    """The current node of the test, on each scheduler in turn; no crash is reported."""
    return node


@pytest.fixture
def diary(node: Node) -> Iterator[Diary]:
    """What happens to the children of the test's supervisors; their reports are kept."""
    with family(node) as diary:
        yield diary


@pytest.fixture
def tasks(node: Node) -> TasksRef:
    """A supervisor of tasks."""
    return Tasks.start()


@pytest.fixture
def wall(scheduler: str) -> type[Gate]:
    """What holds a handler up, and its thread with it where there are threads."""
    return Gate if scheduler == "simulation" else Wall


@pytest.fixture
def fine_switching() -> Iterator[None]:
    """Threads take turns at almost every instruction, so that races are met."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def threads_left(node: Node) -> list[threading.Thread]:
    """Return the threads of a node that do not end."""
    ours = [each for each in threading.enumerate() if each.name.startswith(f"{node.name}-")]
    for thread in ours:
        thread.join(SOON)
    return [thread for thread in ours if thread.is_alive()]
