"""Telemetry of a conversation: the span of each request, and of each of its turns.

>>> from beam.providers.pace import Pace
>>> told = []
>>> spans = LoopSpans(lambda name, measured, about: told.append("_".join(name)), Pace(), "gpt-5")
>>> spans.sent(); spans.turned({}, {"turn": 1}); spans.ended(None)
>>> told
[]

Nothing is put together while nobody listens. The table of the events is in `beam.telemetry`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from beam import telemetry
from beam.providers.failures import first_word, word_for
from beam.providers.values import Usage

if TYPE_CHECKING:
    from beam.providers.pace import Pace
    from beam.providers.values import SessionResult, TurnResult

__all__ = ["LoopSpans", "tokens", "turn_facts"]

_numbers = itertools.count(1)


class LoopSpans:
    """Which request and which turn are at work, and since when; used on one event loop.

    Args:
        emit: tells an event of the loop: its name, measurements and metadata.
        pace: measures it.
        model: what is asked for, if that is known.
        agent_id: what was provisioned and is used, if something was.

    Attributes:
        request_id: tells the events of the request at work from others of this program; None
            between two requests, and while nobody listens.
    """

    def __init__(
        self,
        emit: Callable[[tuple[str, ...], Any, Any], None],
        pace: Pace,
        model: str | None = None,
        agent_id: str | None = None,
    ) -> None:
        self.request_id: str | None = None
        self._emit = emit
        self._pace = pace
        self._about = {"model": model, "agent_id": agent_id}
        self._begun = 0.0
        self._turn: float | None = None

    def begun(self) -> None:
        """Tell that a request begins, if none is at work."""
        if self.request_id is None and telemetry.listening():
            self.request_id = f"request_{next(_numbers)}"
            self._begun = self._pace.now()
            self._emit(("request", "start"), {"system_time": self._pace.time()}, self._about)

    def sent(self) -> None:
        """Tell that a turn begins: something was sent for it."""
        self.begun()
        if self.request_id is not None:
            self._turn = self._pace.now()
            self._emit(("turn", "start"), {"system_time": self._pace.time()}, self._about)

    def turned(self, measured: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        """Tell that a turn is over; one that nothing was sent for began just now."""
        if self._turn is None:
            self.sent()
        if self._turn is not None:
            duration, self._turn = self._pace.now() - self._turn, None
            self._emit(("turn", "stop"), {"duration": duration, **measured}, about)

    def ended(self, result: SessionResult | None, error: BaseException | None = None) -> None:
        """Tell that the request is over, and how."""
        if error is not None:
            self.cut(word_for(error), result)
        elif self.request_id is not None and result is not None:
            about = {"terminal": result.terminal, "stop_reason": first_word(result.stop_reason)}
            self._over("stop", result, about)

    def cut(self, reason: str, result: SessionResult | None = None) -> None:
        """Tell that the request at work is given up, and its turn with it."""
        if self._turn is not None:
            duration, self._turn = self._pace.now() - self._turn, None
            self._emit(("turn", "exception"), {"duration": duration}, {"reason": reason})
        if self.request_id is not None:
            self._over("exception", result, {"reason": reason})

    def _over(self, how: str, result: SessionResult | None, about: Mapping[str, Any]) -> None:
        measured = {"duration": self._pace.now() - self._begun}
        if result is not None:
            measured = {**measured, "turns": result.turns, **tokens(result.usage)}
        self._emit(("request", how), measured, about)
        self.request_id = None


def turn_facts(turn: TurnResult, number: int) -> tuple[dict[str, int], dict[str, Any]]:
    """Return what is measured of a turn, and what is told of it: no text of it."""
    about = {
        "turn": number,
        "terminal": turn.terminal,
        "stop_reason": first_word(turn.stop_reason),
    }
    return tokens(turn.usage), about


def tokens(usage: Usage | None) -> dict[str, int]:
    """Return the buckets of a usage; nothing, if the provider did not say."""
    return {} if usage is None else usage.as_data()
