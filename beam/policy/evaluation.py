"""What a profile says about an action: the first deny, else any allow, else the default.

>>> evaluate(None, "command", {}).allowed, unknown_profile("gone").allowed
(True, False)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.policy.profile import PolicyDecision, Profile

__all__ = ["PROFILE_KEY", "Verdict", "evaluate", "unknown_profile"]

PROFILE_KEY = "policy_profile_id"
"""The key of a session's configuration under which its profile is named."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy comes to.

    Attributes:
        decision: `allow` or `deny`.
        reason: why it denies; `None` if it allows.
        profile_id: of which profile; `None` if there is none.
    """

    decision: PolicyDecision = "allow"
    reason: str | None = None
    profile_id: str | None = None

    @property
    def allowed(self) -> bool:
        """Whether it allows."""
        return self.decision == "allow"


def evaluate(profile: Profile | None, action: str, context: Mapping[str, Any]) -> Verdict:
    """Return what a profile says about an action.

    Args:
        profile: the profile; `None` denies nothing.
        action: what somebody wants to do.
        context: with what, as the rules' paths look at it.

    Returns:
        A deny if a rule denies, whatever others allow; else an allow if one allows; else the
        profile's default.
    """
    if profile is None:
        return Verdict()
    allowed = False
    for rule in profile.rules:
        if rule.is_for(action, context):
            if rule.decision == "deny":
                reason = rule.reason or f"policy {profile.profile_id!r} denies {action}"
                return Verdict("deny", reason, profile.profile_id)
            allowed = True
    if allowed or profile.default == "allow":
        return Verdict("allow", None, profile.profile_id)
    reason = f"policy {profile.profile_id!r} allows {action} nowhere here"
    return Verdict("deny", reason, profile.profile_id)


def unknown_profile(profile_id: str) -> Verdict:
    """Return the verdict of a profile that is named and not there: it denies everything."""
    return Verdict("deny", f"there is no policy {profile_id!r}", profile_id)
