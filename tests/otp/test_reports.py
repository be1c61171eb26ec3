"""Reports: what happens to processes, as structlog events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from structlog.testing import capture_logs

from beam.errors import Refused, StartError
from beam.otp import Node, Server, exit
from beam.otp import ref as refs
from beam.otp.reports import shown
from tests.otp.actors import KINDS, SOON, Echo, death_of, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Nothing is kept from being logged here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET))
    yield
    structlog.reset_defaults()


def crashes(reports: list[Any]) -> list[Any]:
    return [each for each in reports if each["event"] == "process_crashed"]


@kinds
def test_a_crash_is_reported_with_what_there_is_to_know(kind: type[Echo], node: Node) -> None:
    error = ValueError("no good")

    def fail() -> None:
        raise error

    with capture_logs() as reports:
        process = kind.start(name="failing")
        process.cast(("do", fail))
        death_of(process)
        eventually(lambda: crashes(reports))
    (report,) = crashes(reports)
    assert report["log_level"] == "error"
    assert report["exc_info"] is error
    assert report["process"] == f"{kind.__name__} 'failing' #1"
    assert report["process_class"] == kind.__name__
    assert report["parent"] == "init #0"
    assert report["node"] == node.name
    assert report["mailbox_length"] == 0
    assert report["reason"] == "Crash(ValueError('no good'))"
    assert report["message"].startswith("('do', ")


@kinds
@pytest.mark.parametrize("how", ["stop", "signal", "exit", "refuse"])
def test_an_end_that_is_no_crash_is_not_reported(kind: type[Echo], how: str, node: Node) -> None:
    with capture_logs() as reports:
        process = kind.start()
        match how:
            case "stop":
                process.stop(reason=("shutdown", "tired"))
            case "signal":
                exit(process, "shutdown")
            case "exit":
                process.cast(("do", lambda: exit("normal")))
        if how != "refuse":
            death_of(process)
    assert crashes(reports) == []


def test_a_crash_in_init_is_reported_and_a_refusal_is_not(node: Node) -> None:
    def crash(_self: Server) -> None:
        raise KeyError("k")

    def refuse(_self: Server) -> None:
        raise Refused("no")

    with capture_logs() as reports:
        with pytest.raises(StartError):
            type("Crashes", (Server,), {"init": crash}).start()
        with pytest.raises(Refused):
            type("Refuses", (Server,), {"init": refuse}).start()
    (report,) = crashes(reports)
    assert report["process_class"] == "Crashes"
    assert isinstance(report["exc_info"], KeyError)


def test_a_crash_in_terminate_is_reported(node: Node) -> None:
    class Fails(Echo):
        def terminate(self, reason: Any) -> None:
            raise OSError("disk full")

    with capture_logs() as reports:
        process = Fails.start()
        process.stop()
        eventually(lambda: crashes(reports))
    (report,) = crashes(reports)
    assert "disk full" in report["reason"]


def test_a_message_that_nobody_expected_is_reported(node: Node) -> None:
    with capture_logs() as reports:
        process = Server.start()
        process.tell({"odd": "message"})
        process.stop()
    (report,) = [each for each in reports if each["event"] == "unexpected_message"]
    assert report["log_level"] == "warning"
    assert report["process"] == "Server #1"
    assert report["message"] == "{'odd': 'message'}"


def test_starts_are_reported_where_somebody_listens(node: Node) -> None:
    with capture_logs() as reports:
        process = Echo.start()
        child = process.ask(("do", Echo.start))
    started = [each for each in reports if each["event"] == "process_started"]
    assert [(each["process"], each["parent"]) for each in started] == [
        (str(process), "init #0"),
        (str(child), str(process)),
    ]
    assert {each["log_level"] for each in started} == {"debug"}


def test_starts_are_silent_where_nobody_does(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()
    with Node():
        Echo.start()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    with Node():
        Echo.start()
    structlog.reset_defaults()
    assert capsys.readouterr().out == ""


def test_a_value_is_shown_cut_and_one_that_cannot_be_is_said_to() -> None:
    class Unshowable:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert shown({"a": 1}) == "{'a': 1}"
    assert shown(Unshowable()) == "<Unshowable: its repr raised RuntimeError>"
    long = shown("x" * 2000)
    assert long.startswith("'xxx")
    assert long.endswith("... (2002 characters)")
    assert len(long) < 550


def test_a_message_that_cannot_be_shown_is_no_obstacle(node: Node) -> None:
    class Unshowable:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    with capture_logs() as reports:
        process = Echo.start()
        process.ask(("crash", ValueError(Unshowable())), block=False)
        death_of(process)
        eventually(lambda: crashes(reports))
    (report,) = crashes(reports)
    assert "its repr raised" in report["reason"]


@pytest.mark.schedulers("pool", "simulation")  # On a thread of its own it holds no caller up.
def test_one_that_says_it_never_blocks_and_does_is_counted_and_reported(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refs, "NEVER_BLOCKS", 0.001)

    class Liar(Server):
        blocking = False

        def handle_call(self, message: Any, caller: Any) -> Any:
            self.node.sleep(message)
            return "late"

    with capture_logs() as reports:
        process = Liar.start()
        assert process.ask(0.0, timeout=SOON) == "late"
        assert node.overruns == {}
        for _ in range(2):
            assert process.ask(0.02, timeout=0.01) == "late"
    overran = [each for each in reports if each["event"] == "process_overran"]
    assert [each["count"] for each in overran] == [1, 2]
    assert overran[0]["process_class"] == "Liar"
    assert overran[0]["seconds"] >= 0.02
    assert node.overruns == {Liar: 2}


def test_g8_a_report_that_cannot_be_written_harms_nobody(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_args: Any) -> Any:
        raise OSError("disk full")

    structlog.configure(processors=[fail], wrapper_class=structlog.BoundLogger)
    for kind in KINDS:
        process = kind.start()
        process.cast(("do", lambda: 1 / 0))
        assert isinstance(death_of(process).exception, ZeroDivisionError)
        assert kind.start().ask("alive") == "alive"
    eventually(lambda: "disk full" in capsys.readouterr().err)
