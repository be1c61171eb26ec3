"""The state machines that the tests of state machines start."""

from __future__ import annotations

from typing import Any

from beam.otp import (
    Call,
    Cast,
    Crash,
    Enter,
    Info,
    Ref,
    StateMachine,
    StateTimeout,
    goto,
    postpone,
    reply,
    state,
    state_timeout,
    stay,
    unhandled,
)
from beam.testing import Probe
from tests.otp.actors import death_of


class Door(StateMachine):
    """The example of the documentation."""

    def init(self, code: str, closes_after: float = 60.0) -> Any:
        self.code, self.keys, self.closes_after = code, "", closes_after
        return self.locked

    @state(enter=True)
    def locked(self, event: Any) -> Any:
        match event:
            case Enter():
                self.keys = ""
                return None
            case Call(("press", key), caller):
                self.keys += key
                if self.keys == self.code:
                    return goto(self.open, reply(caller, "open"), state_timeout(self.closes_after))
                return stay(reply(caller, "locked"))
            case _:
                return unhandled

    @state
    def open(self, event: Any) -> Any:
        match event:
            case StateTimeout():
                return goto(self.locked)
            case Call(("press", _), _):
                return stay(postpone)


class Recorder(StateMachine):
    """Tells of everything; what it does, a function says."""

    def init(self, told: Any, handler: Any, first: Any = "a", **facts: Any) -> Any:
        self.told, self.handler, self.facts = told, handler, facts
        return first

    def handle_event(self, event: Any, state: Any) -> Any:
        self.told.put((state, plain(event)))
        return self.handler(self, event, state)

    def terminate(self, reason: Any) -> None:
        self.told.put(("terminate", self.state, reason))


class Entering(Recorder):
    """Wants to know when a state is entered."""

    @state(enter=True)
    def handle_event(self, event: Any, state: Any) -> Any:
        return super().handle_event(event, state)


def plain(event: Any) -> Any:
    """Return an event as a value that can be compared."""
    match event:
        case Call(message, _):
            return ("call", message)
        case Cast(message):
            return ("cast", message)
        case Info(message):
            return ("info", message)
    return event


class Told:
    """What a recorder has told."""

    def __init__(self) -> None:
        self._probe = Probe()
        self._read = 0

    def put(self, what: Any) -> None:
        """Tell something; run by the machine."""
        self._probe.note("told", what)

    def __len__(self) -> int:
        return len(self._probe.notes("told")) - self._read

    def next(self) -> Any:
        """Return what was told next, when it has been."""
        told = self._probe.wait("told", self._read + 1)[self._read]
        self._read += 1
        return told

    def everything(self) -> list[Any]:
        """Return what has been told since."""
        told = self._probe.notes("told")[self._read :]
        self._read += len(told)
        return told


def stays(_machine: Any, _event: Any, _state: Any) -> Any:
    return stay()


def crash_of(process: Ref[Any]) -> BaseException:
    """Wait until the process has crashed; return the exception."""
    reason = death_of(process)
    assert isinstance(reason, Crash)
    return reason.exception
