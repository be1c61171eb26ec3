"""How the tasks of a `beam run` are to be done.

>>> Terms.checked(sessions=0)
Traceback (most recent call last):
beam.errors.InvalidInput: --sessions: expected 1 or more, below 1e+09, got 0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from beam.errors import InvalidInput
from beam.model.runs import LONGEST

__all__ = ["Terms"]

_LEAST = {"sessions": 1, "retries": 0, "timeout": 0.001, "drain": 0}


@dataclass(frozen=True, slots=True)
class Terms:
    """How the tasks are to be done.

    Attributes:
        sessions: how many sessions work at once.
        policy: the router's policy, for tasks that name no backend.
        retries: how many more attempts a task has after the first.
        timeout: seconds that one attempt may take.
        drain: seconds that running tasks have when the work is to stop.
        tools: what the agents of each backend may call.
    """

    sessions: int = 8
    policy: str = "round_robin"
    retries: int = 2
    timeout: float = 120.0
    drain: float = 10.0
    tools: Mapping[str, tuple[Callable[..., Any], ...]] = field(default_factory=dict)

    @classmethod
    def checked(cls, **terms: Any) -> Terms:
        """Return terms whose numbers are possible.

        Raises:
            InvalidInput: naming the option whose number is not.
        """
        for name, least in _LEAST.items():
            value = terms.get(name, least)
            if not least <= value < LONGEST:
                raise InvalidInput(f"--{name}", value, f"{least} or more, below {LONGEST:.0e}")
        return cls(**terms)
