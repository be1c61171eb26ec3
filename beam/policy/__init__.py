"""Policies: what a session's agent may do, decided by rules before anybody is asked; and hooks.

    >>> profile = Profile.of(
    ...     {
    ...         "profile_id": "careful",
    ...         "rules": [
    ...             {"action": "command", "match": ("path_prefix", "cwd", "/etc"), "reason": "no"},
    ...         ],
    ...     },
    ...     at=1000,
    ... )
    >>> evaluate(profile, "command", {"cwd": "/etc/ssl"})
    Verdict(decision='deny', reason='no', profile_id='careful')
    >>> evaluate(profile, "command", {"cwd": "/home"}).allowed
    True

A profile is kept by the process `control`, and looked up where it is needed:
`ControlReads.policy_verdict(session_id, action, context)` evaluates the one that a session's
configuration names under `policy_profile_id`.
"""

from beam.policy.evaluation import PROFILE_KEY, Verdict, evaluate, unknown_profile
from beam.policy.hooks import Hook, HookChain, HookRegistry, hook
from beam.policy.matching import Match, parse_match
from beam.policy.profile import Profile, Rule

__all__ = [
    "PROFILE_KEY",
    "Hook",
    "HookChain",
    "HookRegistry",
    "Match",
    "Profile",
    "Rule",
    "Verdict",
    "evaluate",
    "hook",
    "parse_match",
    "unknown_profile",
]
