"""A supervisor's flags: how its children hang together, and how often they may be restarted.

>>> Flags(strategy="rest_for_one", max_restarts=3)
Flags(strategy='rest_for_one', max_restarts=3, max_seconds=5, auto_shutdown='never')
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from beam.errors import InvalidSpec

__all__ = ["AutoShutdown", "Flags", "Strategy", "check_max_restarts", "check_max_seconds"]

Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"]
AutoShutdown: TypeAlias = Literal["never", "any_significant", "all_significant"]

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one")
AUTO_SHUTDOWNS = ("never", "any_significant", "all_significant")


@dataclass(frozen=True, slots=True)
class Flags:
    """OTP's `sup_flags()`, with its defaults.

    Attributes:
        strategy: who is restarted with a child. `"one_for_one"`: nobody; `"one_for_all"`: all;
            `"rest_for_one"`: those started after it; `"simple_one_for_one"`: nobody, and all
            children are started on demand from one specification.
        max_restarts: how many restarts in `max_seconds` are bearable; one more, and the
            supervisor ends its children and itself with `"shutdown"`.
        max_seconds: whole seconds.
        auto_shutdown: whether the supervisor ends itself, with `"shutdown"`, when a significant
            child ends for good: `"never"`; `"any_significant"`: after one;
            `"all_significant"`: after the last.

    Raises:
        InvalidSpec: with OTP's `("supervisor_data", ...)` as `reason`.
    """

    strategy: Strategy = "one_for_one"
    max_restarts: int = 1
    max_seconds: int = 5
    auto_shutdown: AutoShutdown = "never"

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            expected = f"one of {', '.join(STRATEGIES)}"
            raise _invalid("strategy", self.strategy, expected, "invalid_strategy")
        check_max_restarts(self.max_restarts)
        check_max_seconds(self.max_seconds)
        if self.auto_shutdown not in AUTO_SHUTDOWNS:
            expected = f"one of {', '.join(AUTO_SHUTDOWNS)}"
            raise _invalid("auto_shutdown", self.auto_shutdown, expected, "invalid_auto_shutdown")


def check_max_restarts(value: object) -> None:
    """Refuse what is no number of restarts."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _invalid("max_restarts", value, "a whole number, 0 or more", "invalid_intensity")


def check_max_seconds(value: object) -> None:
    """Refuse what is no length of a restart window."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise _invalid("max_seconds", value, "whole seconds, 1 or more", "invalid_period")


def _invalid(field: str, value: object, expected: str, word: str) -> InvalidSpec:
    return InvalidSpec(field, value, expected, ("supervisor_data", (word, value)))
