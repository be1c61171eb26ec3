"""Telemetry of one choice: that it began, and how it ended (`beam.telemetry`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam import telemetry

if TYPE_CHECKING:
    from beam.errors import RoutingRefused
    from beam.otp.clock import Clock
    from beam.routing.decision import Decision

__all__ = ["RoutingSpan"]

_NAME = ("routing", "select_backend")


class RoutingSpan:
    """One choice, from its beginning on.

    Args:
        clock: measures it.
        fields: the request, as it was made.
    """

    __slots__ = ("_clock", "_since")

    def __init__(self, clock: Clock, fields: object) -> None:
        self._clock = clock
        self._since = clock.now()
        request = dict(fields) if isinstance(fields, Mapping) else {}
        telemetry.emit((*_NAME, "start"), {"system_time": clock.time()}, {"request": request})

    def chosen(self, decision: Decision) -> None:
        """Tell what was chosen."""
        about = {
            "backend": decision.backend,
            "policy": decision.policy,
            "candidate_count": len(decision.candidates),
            "fallback_count": len(decision.fallback_chain),
            "reason_count": len(decision.reasons),
            "decision": "allow",
        }
        self._end("stop", about)

    def refused(self, refused: RoutingRefused) -> None:
        """Tell why nothing was chosen."""
        about: dict[str, Any] = {"reason": refused.reason}
        if refused.reason == "policy_denied":
            about["decision"] = "deny"
        self._end("exception", about)

    def _end(self, how: str, about: dict[str, Any]) -> None:
        telemetry.emit((*_NAME, how), {"duration": self._clock.now() - self._since}, about)
