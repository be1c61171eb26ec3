"""Telemetry of one session: the span of each attempt of a query, and the states in between.

The table of the events is in `beam.telemetry`. What is told here is in the log as well, or on its
way there; nobody who listens can rely on having heard all of it, for a process may be killed. The
process after it tells of the attempt that was cut.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from beam import telemetry
from beam.otp import Enter, state
from beam.state.run_events import ENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from beam.model.events import Event
    from beam.otp.clock import Clock
    from beam.sessions.past import Work

__all__ = ["SessionSpans", "watched"]

_ENDS = frozenset((*ENDS, "run_retried"))


def watched(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Make a method a state of a machine with `spans`, which are told when it is entered."""

    @wraps(method)
    def told(machine: Any, event: Any) -> Any:
        if type(event) is Enter:
            machine.spans.entered(method.__name__)
        return method(machine, event)

    return state(enter=True)(told)


class SessionSpans:
    """What a session tells those who listen; used by its process alone.

    Args:
        clock: measures it.
        session_id: the session.
        backend: the name of its backend, the `agent` of the events.
    """

    __slots__ = ("_about", "_begun", "_clock", "_state")

    def __init__(self, clock: Clock, session_id: str, backend: str) -> None:
        self._clock = clock
        self._about = {"agent": backend, "session_id": session_id}
        self._state: str | None = None
        # The run at work and when it began, if that was told.
        self._begun: tuple[str, float] | None = None

    def entered(self, state: str) -> None:
        """Tell that the session has come into another state."""
        old, self._state = self._state, state
        if telemetry.listening():
            about = {**self._about, "from_state": old, "to_state": state}
            telemetry.emit(("session", "state_change"), {"system_time": self._clock.time()}, about)

    def begun(self, work: Work) -> None:
        """Tell that an attempt of a run begins."""
        self._begun = None
        if telemetry.listening():
            self._begun = (work.run_id, self._clock.now())
            about = {**self._of(work.run_id), "prompt_length": len(work.asked)}
            telemetry.emit(("agent", "query", "start"), {"system_time": self._clock.time()}, about)

    def written(self, events: Iterable[Event]) -> None:
        """Tell of the attempts that these events end."""
        if telemetry.listening():
            for event in events:
                if event.type in _ENDS and event.run_id is not None:
                    self._ended(event, event.run_id)

    def over(self, reason: Any) -> None:
        """Tell that the process ends; if it was told to, what is at work is cut short."""
        match reason:
            case "normal" | "shutdown" | ("shutdown", _) if self._begun is not None:
                self._stop(self._begun[0], "interrupted")

    def _ended(self, event: Event, run_id: str) -> None:
        # Only what a crash has ended counts crashes, and it may have begun in another process.
        if "crashes" in event.data:
            self._begun = None
            reason = event.data.get("cause") or event.data.get("reason")
            about = {**self._of(run_id), "reason": reason}
            telemetry.emit(
                ("agent", "query", "exception"), {"system_time": self._clock.time()}, about
            )
        elif self._begun is not None and self._begun[0] == run_id:
            self._stop(run_id, event.type.removeprefix("run_"))

    def _stop(self, run_id: str, outcome: str) -> None:
        if self._begun is not None:
            measured = {"duration": self._clock.now() - self._begun[1]}
            self._begun = None
            telemetry.emit(
                ("agent", "query", "stop"), measured, {**self._of(run_id), "how": outcome}
            )

    def _of(self, run_id: str) -> dict[str, Any]:
        return {**self._about, "run_id": run_id}
