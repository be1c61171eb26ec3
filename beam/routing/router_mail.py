"""What the router answers to those who report, and the mail that it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from beam.errors import InvalidInput

if TYPE_CHECKING:
    from beam.routing.decision import Decision

__all__ = ["Durable", "Reported", "Route", "Unlogged"]

Word = Literal["succeeded", "failed", "released"]


@dataclass(frozen=True, slots=True)
class Route:
    """A choice of a backend for one who will report how it went.

    Attributes:
        decision: the choice.
        probe: which probe of the backend's breaker it is, for the report; `None` for none.
    """

    decision: Decision
    probe: int | None


@dataclass(frozen=True, slots=True)
class Reported:
    """How it went with a backend; cast it to the router.

    Attributes:
        backend: the name.
        verdict: `succeeded`; `failed`, which speaks against the backend; or `released`: nothing was
            learnt of it, as when the user cancelled or the fleet stopped.
        probe: as `Route` had it.

    Raises:
        InvalidInput: the verdict is none of the three.
    """

    backend: str
    verdict: Word
    probe: int | None = None

    def __post_init__(self) -> None:
        if self.verdict not in get_args(Word):
            raise InvalidInput("verdict", self.verdict, f"one of {', '.join(get_args(Word))}")


@dataclass(frozen=True, slots=True)
class Durable:
    """Mail to the router: the log has the binding of a key that was made as number `stamp`."""

    affinity_key: str
    stamp: int


@dataclass(frozen=True, slots=True)
class Unlogged:
    """Mail to the router: the log has not taken so many choices."""

    error: BaseException
    choices: int
