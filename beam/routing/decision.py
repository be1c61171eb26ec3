"""What the router decided, with everything a caller needs to know why and what comes next."""

from __future__ import annotations

from dataclasses import dataclass

from beam.routing.request import Policy

__all__ = ["Decision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One choice of a backend.

        >>> decision = Decision(
        ...     backend="codex", candidates=("codex", "claude"), policy="failover",
        ...     reasons=("first that did not serve last",),
        ... )
        >>> decision.fallback_chain
        ('claude',)

    Attributes:
        backend: the one chosen.
        candidates: all that could be tried, the chosen one first.
        policy: the policy that chose; `sticky` also where its key was not bound yet.
        reasons: one short text.
        affinity_key: as the request had it, `None` if it had none. `failover` leaves it out.
        policy_profile_id: as the request had it.
    """

    backend: str
    candidates: tuple[str, ...]
    policy: Policy
    reasons: tuple[str, ...]
    affinity_key: str | None = None
    policy_profile_id: str | None = None

    @property
    def fallback_chain(self) -> tuple[str, ...]:
        """The candidates after the chosen one, in the order in which to try them."""
        return self.candidates[1:]

    def as_payload(self) -> dict[str, object]:
        """Return the decision as plain data, without the fields that have no value."""
        payload: dict[str, object] = {
            "backend": self.backend,
            "candidates": list(self.candidates),
            "policy": self.policy,
            "reasons": list(self.reasons),
            "fallback_chain": list(self.fallback_chain),
        }
        if self.affinity_key is not None:
            payload["affinity_key"] = self.affinity_key
        if self.policy_profile_id is not None:
            payload["policy_profile_id"] = self.policy_profile_id
        return payload
