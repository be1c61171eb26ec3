"""Which backends a request may get, and in which order they are tried.

    >>> from beam.routing.backends import BackendSet
    >>> backends = BackendSet.of({"claude": [], "codex": [], "gemini": []})
    >>> request = RouteRequest(preferred_backends=("gemini", "codex"))
    >>> candidates_for(request, backends, {"gemini": "degraded"}).ordered
    ('codex', 'claude', 'gemini')

Promises: an excluded backend is never among them; neither is one that is unhealthy or down, or
that lacks a requested capability. A degraded backend comes after every healthy one. With
`fallback_policy` `none`, a request that names backends gets only those that it names, also when
none of them can serve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from beam.routing.backends import BackendSet
from beam.routing.health import HealthStatus, usable
from beam.routing.request import RouteRequest

__all__ = ["Candidates", "candidates_for"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The backends that can serve a request.

    Attributes:
        eligible: all that may serve, healthy before degraded, each part by name.
        preferred: the eligible ones that the request prefers, in its order.
        fallback: the eligible ones that it names as fallback and does not prefer, in its order.
        ordered: those that the policies choose from, in the order in which they are tried.
    """

    eligible: tuple[str, ...]
    preferred: tuple[str, ...]
    fallback: tuple[str, ...]
    ordered: tuple[str, ...]


def candidates_for(
    request: RouteRequest, backends: BackendSet, health: Mapping[str, HealthStatus]
) -> Candidates:
    """Return who may serve the request. Pure; any thread.

    Args:
        request: what is asked for. Its own `health` is not looked at here.
        backends: all there are.
        health: what is known of them, from all sources; one that is not mentioned is healthy.
    """
    eligible = [
        name
        for name in backends.names
        if name not in request.excluded_backends
        and usable(health.get(name, "healthy"))
        and backends.capabilities[name].issuperset(request.capabilities)
    ]
    preferred = [name for name in request.preferred_backends if name in eligible]
    fallback = [
        name for name in request.fallback_backends if name in eligible and name not in preferred
    ]
    ordered = preferred + fallback
    if _may_use_others(request):
        ordered += [name for name in eligible if name not in ordered]
    return Candidates(
        eligible=_healthy_first(eligible, health),
        preferred=tuple(preferred),
        fallback=tuple(fallback),
        ordered=_healthy_first(ordered, health),
    )


def _may_use_others(request: RouteRequest) -> bool:
    names_some = request.preferred_backends or request.fallback_backends
    return request.fallback_policy == "available" or not names_some


def _healthy_first(names: list[str], health: Mapping[str, HealthStatus]) -> tuple[str, ...]:
    if not health:
        return tuple(names)
    return tuple(sorted(names, key=lambda name: health.get(name, "healthy") == "degraded"))
