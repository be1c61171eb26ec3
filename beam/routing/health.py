"""The four words for how well a backend is, and which of two words counts.

    >>> worst({"claude": "degraded"}, {"claude": "healthy", "codex": "down"})
    {'claude': 'degraded', 'codex': 'down'}

`unhealthy` and `down` take a backend out of the choice; `degraded` puts it after the healthy ones.
A backend that nobody mentions is healthy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

__all__ = ["HEALTH_STATUSES", "HealthStatus", "usable", "worst"]

HealthStatus = Literal["healthy", "degraded", "unhealthy", "down"]

HEALTH_STATUSES: tuple[HealthStatus, ...] = get_args(HealthStatus)

_RANK: Mapping[HealthStatus, int] = {word: rank for rank, word in enumerate(HEALTH_STATUSES)}


def usable(status: HealthStatus) -> bool:
    """Return whether a backend in this state may be chosen at all."""
    return status in ("healthy", "degraded")


def worst(*reports: Mapping[str, HealthStatus]) -> dict[str, HealthStatus]:
    """Merge reports about backends; where two speak of one backend, the worse word counts.

    The caller of a request and the breakers know different things, and either may know of trouble.
    """
    merged: dict[str, HealthStatus] = {}
    for report in reports:
        for backend, status in report.items():
            known = merged.get(backend)
            if known is None or _RANK[status] > _RANK[known]:
                merged[backend] = status
    return merged
