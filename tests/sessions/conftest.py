"""Fleets that end with their test, and reports that stay out of the output."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from tests.sessions.scripted import Scripted, fleet_of, shout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from beam import Fleet


@pytest.fixture(autouse=True)
def unlogged() -> Iterator[None]:
    """Keep the reports of crashes that are meant out of the output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def fleets() -> Iterator[Callable[..., Fleet]]:
    """Make fleets that are closed when the test is over, each with nothing left of it."""
    with contextlib.ExitStack() as ends:

        def start(backend: Any, store: Any = None, **options: Any) -> Fleet:
            return ends.enter_context(fleet_of(backend, store, **options))

        yield start


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Where the log is: both stores must do."""
    return tmp_path / "fleet.db" if request.param == "file" else None


@pytest.fixture
def backend() -> Scripted:
    """Agents that the test speaks for."""
    return Scripted()


@pytest.fixture
def fleet(fleets: Callable[..., Fleet], backend: Scripted) -> Fleet:
    """A fleet of agents that the test speaks for."""
    return fleets(backend)


@pytest.fixture
def shouting(fleets: Callable[..., Fleet]) -> Fleet:
    """A fleet of agents that answer at once."""
    return fleets(Scripted(shout))
