"""What an ACP agent is answered when it asks for permission.

    >>> options = [{"optionId": "a", "kind": "allow_always"},
    ...            {"optionId": "o", "kind": "allow_once"},
    ...            {"optionId": "r", "kind": "reject_once"}]
    >>> answer(Allow(), options, {})
    {'outcome': {'outcome': 'selected', 'optionId': 'o'}}
    >>> answer(Deny(), options[:2], {})
    {'outcome': {'outcome': 'cancelled'}}

Options are chosen by their kind, for their ids differ in every agent. A no never selects what
allows: where an agent offers no way to say no, the question is cancelled. Nor does a yes select
more than was said: one that counts once does not become one for ever. An agent does what it has
asked for and nothing else, so a decision that allows something else is a no (G14).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from beam.model.permissions import Allow, Decision, Deny

__all__ = ["answer"]

_REJECT = ("reject_once", "reject_always")


def answer(
    decision: Decision | None, options: Iterable[Any], asked_with: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the result of `session/request_permission`.

    Args:
        decision: what was decided; None if the turn was ended before anybody had.
        options: what the agent offers.
        asked_with: the arguments that the decision was asked about.
    """
    offered = _by_kind(options)
    for kind in _wanted(decision, asked_with):
        if kind in offered:
            return {"outcome": {"outcome": "selected", "optionId": offered[kind]}}
    return {"outcome": {"outcome": "cancelled"}}


def _wanted(decision: Decision | None, asked_with: Mapping[str, Any]) -> tuple[str, ...]:
    match decision:
        case Allow(params=params) if params is None or dict(params) == dict(asked_with):
            return ("allow_always", "allow_once") if decision.for_session else ("allow_once",)
        case None | Deny(interrupt=True):
            return ()
    return _REJECT


def _by_kind(options: Iterable[Any]) -> dict[str, str]:
    """Return the id of the first option of each kind."""
    found: dict[str, str] = {}
    for each in options:
        if isinstance(each, Mapping):
            kind, name = each.get("kind"), each.get("optionId")
            if isinstance(kind, str) and isinstance(name, str):
                found.setdefault(kind, name)
    return found
