"""A policy profile: rules with a name, and what counts where none of them matches.

>>> profile = Profile.of({"profile_id": "p", "default": "deny", "rules": [
...     {"action": "backend", "decision": "allow", "match": ["eq", "backend", "claude"]},
... ]}, at=1000)
>>> profile.rules[0].decision, profile.default, Profile.from_data(profile.as_data()) == profile
('allow', 'deny', True)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from beam.errors import InvalidInput
from beam.policy.matching import Match, parse_match

__all__ = ["ANY_ACTION", "PolicyDecision", "Profile", "Rule"]

PolicyDecision = Literal["allow", "deny"]
"""What a rule, or a profile's default, says."""

ANY_ACTION = "*"
"""The action of a rule that is for all of them."""

_PROFILE_KEYS = frozenset(
    {"profile_id", "default", "metadata", "rules", "created_at", "updated_at"}
)
_RULE_KEYS = frozenset({"action", "decision", "match", "reason"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        action: what it is about: `approval`, `command`, `backend`, ..., or `*` for all.
        decision: what it says.
        match: in which contexts.
        reason: why, for who is denied.
    """

    action: str = ANY_ACTION
    decision: PolicyDecision = "deny"
    match: Match = field(default_factory=Match)
    reason: str | None = None

    @classmethod
    def of(cls, given: object) -> Rule:
        """Return the rule of a mapping with any of the fields.

        Raises:
            InvalidInput: `unsupported_rule_key`, `invalid_rule_action`, `invalid_rule_decision`,
                `invalid_match` or `invalid_reason`.
        """
        if not isinstance(given, Mapping):
            raise _invalid("invalid_profile", "rules", given, "mappings")
        _known_keys(given, _RULE_KEYS, "unsupported_rule_key")
        action = given.get("action", ANY_ACTION)
        if not isinstance(action, str) or not action:
            raise _invalid("invalid_rule_action", "action", action, "a non-empty text, or '*'")
        decision = _decision(given.get("decision", "deny"), "decision", "invalid_rule_decision")
        reason = given.get("reason")
        if reason is not None and not isinstance(reason, str):
            raise _invalid("invalid_reason", "reason", reason, "a text")
        return cls(action, decision, parse_match(given.get("match", "*")), reason)

    def is_for(self, action: str, context: Mapping[str, Any]) -> bool:
        """Say whether the rule speaks about an action in a context."""
        return self.action in (ANY_ACTION, action) and self.match.holds(context)

    def as_data(self) -> dict[str, Any]:
        """Return the rule as JSON data."""
        data = {"action": self.action, "decision": self.decision, "match": self.match.as_data()}
        return data if self.reason is None else {**data, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile.

    Attributes:
        profile_id: its name.
        default: what counts where no rule matches.
        rules: the rules; their order says nothing between a deny and an allow.
        metadata: the caller's own notes, JSON data.
        created_at: when a profile of this name was first put, in Unix milliseconds.
        updated_at: when this one was.
    """

    profile_id: str
    default: PolicyDecision = "allow"
    rules: tuple[Rule, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: int = 0
    updated_at: int = 0

    @classmethod
    def of(cls, given: object, *, at: int, before: Profile | None = None) -> Profile:
        """Return the profile of a mapping with `profile_id` and any of the other fields.

        Args:
            given: the mapping; times in it do not count.
            at: now, in Unix milliseconds.
            before: the profile of this name until now, whose `created_at` stays.

        Raises:
            InvalidInput: `unsupported_profile_key`, `invalid_default` or `invalid_profile`, and
                what `Rule.of` raises.
        """
        if not isinstance(given, Mapping):
            raise _invalid("invalid_profile", "profile", given, "a mapping")
        _known_keys(given, _PROFILE_KEYS, "unsupported_profile_key")
        name, rules = given.get("profile_id"), given.get("rules", ())
        metadata = given.get("metadata", {})
        if not isinstance(name, str) or not name:
            raise _invalid("invalid_profile", "profile_id", name, "a non-empty text")
        if not isinstance(rules, list | tuple):
            raise _invalid("invalid_profile", "rules", rules, "a list of rules")
        if not isinstance(metadata, Mapping):
            raise _invalid("invalid_profile", "metadata", metadata, "a mapping")
        return cls(
            profile_id=name,
            default=_decision(given.get("default", "allow"), "default", "invalid_default"),
            rules=tuple(Rule.of(one) for one in rules),
            metadata=dict(metadata),
            created_at=at if before is None else before.created_at,
            updated_at=at,
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Profile:
        """Return the profile that `as_data` made the data of."""
        profile = cls.of(data, at=int(data["updated_at"]))
        return cls(
            profile_id=profile.profile_id,
            default=profile.default,
            rules=profile.rules,
            metadata=profile.metadata,
            created_at=int(data["created_at"]),
            updated_at=profile.updated_at,
        )

    def as_data(self) -> dict[str, Any]:
        """Return the profile as JSON data."""
        return {
            "profile_id": self.profile_id,
            "default": self.default,
            "rules": [rule.as_data() for rule in self.rules],
            "metadata": dict(self.metadata),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


def _known_keys(given: Mapping[Any, Any], known: frozenset[str], reason: str) -> None:
    for key in given:
        if key not in known:
            raise _invalid(reason, str(key), given[key], f"only {', '.join(sorted(known))}")


def _decision(given: object, field: str, reason: str) -> PolicyDecision:
    if given == "allow":
        return "allow"
    if given == "deny":
        return "deny"
    raise _invalid(reason, field, given, "'allow' or 'deny'")


def _invalid(reason: str, field: str, value: object, expected: str) -> InvalidInput:
    error = InvalidInput(field, value, expected)
    error.reason = reason
    return error
