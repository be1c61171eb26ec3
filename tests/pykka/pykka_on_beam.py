"""A pytest plugin that gives Pykka's tests `beam.otp` as their runtime.

It holds all that stands between Pykka's words and ours; docs/pykka.md says what each bridge is for.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import structlog
from pykka import ActorRegistry

from beam.errors import CallExit
from beam.otp import Crash, Future, Node, Ref, Server, current_process
from tests.log_handler import PykkaTestLogHandler
from tests.types import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from beam.otp import Call

_AT_REST = object()


class PykkaActor(Server, framework=True):
    """A server whose users' classes are written as Pykka actors."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Ours are refused Pykka's words (`__init__`, `on_start`, ...); these exist to be mapped.
        super().__init_subclass__(framework=True, **kwargs)
        cls._framework = False

    @classmethod
    def public_names(cls) -> Mapping[str, Any]:
        """Return what a proxy offers: `stop` too, as in Pykka."""
        return {**super().public_names(), "stop": cls.stop}

    def init(self, *args: Any, **kwargs: Any) -> None:
        self.__init__(*args, **kwargs)  # type: ignore[misc]
        self.on_start()

    def stop(self) -> None:  # type: ignore[override]
        """End after the mail that is there, as Pykka's `stop`; ours ends before it."""
        self.actor_ref.stop(block=False)

    def handle_call(self, message: Any, _caller: Call) -> Any:
        return None if message is _AT_REST else self.on_receive(message)

    def handle_info(self, message: Any) -> None:
        self.on_receive(message)

    def terminate(self, reason: Any) -> None:
        if isinstance(reason, Crash):
            error = reason.exception
            self.on_failure(type(error), error, error.__traceback__)
        else:
            self.on_stop()


class Event(threading.Event):
    """An event whose waiter goes on when the process that has set it is at rest, or dead.

    Pykka's tests set an event in a callback and look at the actor when they have seen it; what
    they find is not to depend on how far the callback has come by then.
    """

    _process: Ref[Any] | None = None

    def set(self) -> None:
        self._process = current_process()
        super().set()

    def wait(self, timeout: float | None = None) -> bool:
        came = super().wait(timeout)
        if came and self._process is not None:
            with contextlib.suppress(CallExit):
                self._process.ask(_AT_REST)
        return came


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    """The runtime that Pykka's tests are given."""
    return Runtime(
        name="beam",
        actor_class=PykkaActor,
        event_class=Event,
        future_class=Future,
        sleep_func=time.sleep,
    )


@pytest.hookimpl(tryfirst=True)
def pytest_plugin_registered(plugin: object) -> None:
    """Put our runtime in the place of theirs before pytest reads their conftest's fixtures."""
    if hasattr(plugin, "RUNTIMES"):
        plugin.runtime = runtime


@pytest.fixture(autouse=True)
def node() -> Iterator[Node]:
    """A node for each test; what lives in it ends with the test, and is registered no longer."""
    with Node() as node:
        yield node
    for ref in ActorRegistry.get_all():
        ActorRegistry.unregister(ref)


class Patcher:
    """`mocker.patch`: patches until the test is over."""

    def object(self, *args: Any, **kwargs: Any) -> Any:
        return mock.patch.object(*args, **kwargs).start()


class Mocker:
    """As much of pytest-mock as these tests use."""

    Mock = mock.Mock
    MagicMock = mock.MagicMock
    NonCallableMock = mock.NonCallableMock
    patch = Patcher()


@pytest.fixture
def mocker() -> Iterator[Mocker]:
    """Mocks, and patches that are undone after the test."""
    yield Mocker()
    mock.patch.stopall()


# A log record that does not come is waited for one round of the handler's, not for five seconds:
# what we log, we have logged when the test looks.
PykkaTestLogHandler.wait_for_message.__defaults__ = (1, 0.5)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--outcomes", type=Path, help="where to write {test: passed} as JSON")


class Outcomes:
    """Notes for each test whether it passed, set up and taken down."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.passed: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        test = report.nodeid.removeprefix("vendored/tests/")
        self.passed[test] = self.passed.get(test, True) and report.passed

    def pytest_sessionfinish(self) -> None:
        self.file.write_text(json.dumps(self.passed), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Outcomes(config.getoption("outcomes")), "outcomes")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
