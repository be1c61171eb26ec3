"""Permissions and approvals: whom to ask, and what the answer comes to.

    >>> callbacks = Callbacks(permission_handler=lambda method, params, context: deny("not now"))
    >>> question = permission_question(callbacks, "write", {"path": "a.py"}, {})
    >>> outcome = Answered(question.handler(*question.arguments))
    >>> decide_permission(question, outcome)
    Deny(reason='not now', interrupt=False)
    >>> decide_permission(question, TimedOut(300.0))
    Deny(reason='the permission handler did not answer within 300.0 s', interrupt=False)

Two questions, and two handlers that can answer either: a permission is answered by the permission
handler, else by the approval handler, else by the session's default; an approval the other way
round. Where there is a handler, the default never counts: one that raises, hangs or answers
nonsense denies (G14).

| permission handler says | as an approval |
|---|---|
| allow | accept; decline if it allows other params than it was asked about |
| deny | decline |
| deny and interrupt | cancel |

| approval handler says | as a permission |
|---|---|
| accept, allow | allow |
| accept_for_session | allow, for the session |
| decline, deny | deny, "declined" |
| cancel | deny, "cancelled", and interrupt |

An approval has no place for changed params, so to accept there would run what the handler did not
allow. Nothing is run here; the owner of the handlers runs the question and reports the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from beam.model.permissions import Allow, Decision, Deny, allow, deny, parse_decision
from beam.state.callbacks import Callbacks, Handler
from beam.state.outcome import Answered, Failed, Outcome, TimedOut

__all__ = [
    "APPROVALS",
    "Approval",
    "Question",
    "approval_question",
    "decide_approval",
    "decide_permission",
    "permission_question",
]

Approval = Literal["accept", "accept_for_session", "decline", "cancel"]
"""What an agent is told that asked for an approval."""

APPROVALS: tuple[Approval, ...] = get_args(Approval)
"""Every approval word."""

_AS_PERMISSION: Mapping[Approval, Decision] = {
    "accept": allow(),
    "accept_for_session": allow(for_session=True),
    "decline": deny("declined"),
    "cancel": deny("cancelled", interrupt=True),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask of which handler.

    Attributes:
        asks: which of the two handlers it is.
        handler: the handler.
        arguments: what to call it with: method, params, context.
    """

    asks: Literal["permission", "approval"]
    handler: Handler
    arguments: tuple[str, Mapping[str, Any], Mapping[str, Any]]


def permission_question(
    callbacks: Callbacks, method: str, params: Mapping[str, Any], context: Mapping[str, Any]
) -> Question | Decision:
    """Return whom to ask for a permission, or the decision where there is nobody to ask.

    Args:
        callbacks: the session's handlers.
        method: what the agent wants to do.
        params: with what.
        context: what else is known of it.
    """
    arguments = (method, params, context)
    if callbacks.permission_handler is not None:
        return Question("permission", callbacks.permission_handler, arguments)
    if callbacks.approval_handler is not None:
        return Question("approval", callbacks.approval_handler, arguments)
    return allow() if callbacks.permission_default == "allow" else deny()


def decide_permission(question: Question, outcome: Outcome) -> Decision:
    """Return what the outcome of a permission's question comes to. Never raises."""
    if question.asks == "approval":
        if not isinstance(outcome, Answered):
            return _denial(question, outcome)
        return _AS_PERMISSION[_approval(outcome.value)]
    return _permission(question, outcome)


def approval_question(
    callbacks: Callbacks, method: str, params: Mapping[str, Any], context: Mapping[str, Any]
) -> Question | Approval:
    """Return whom to ask for an approval, or the word where there is nobody to ask.

    Args:
        callbacks: the session's handlers.
        method: what the agent wants to do.
        params: with what.
        context: what else is known of it.
    """
    arguments = (method, params, context)
    if callbacks.approval_handler is not None:
        return Question("approval", callbacks.approval_handler, arguments)
    if callbacks.permission_handler is not None:
        return Question("permission", callbacks.permission_handler, arguments)
    return "accept" if callbacks.permission_default == "allow" else "decline"


def decide_approval(question: Question, outcome: Outcome) -> Approval:
    """Return what the outcome of an approval's question comes to. Never raises."""
    if question.asks == "approval":
        return _approval(outcome.value) if isinstance(outcome, Answered) else "decline"
    decision = _permission(question, outcome, as_asked=True)
    if isinstance(decision, Allow):
        return "accept"
    return "cancel" if decision.interrupt else "decline"


def _permission(question: Question, outcome: Outcome, *, as_asked: bool = False) -> Decision:
    if not isinstance(outcome, Answered):
        return _denial(question, outcome)
    asked = question.arguments[1]
    try:
        decision = parse_decision(outcome.value)
        if as_asked and isinstance(decision, Allow) and decision.params not in (None, asked):
            return deny("allowed with other params only")
    except Exception as error:  # noqa: BLE001 - the answer's own code: what cannot be read denies
        return _denial(question, Failed(error))
    return decision


def _approval(answer: object) -> Approval:
    if not issubclass(type(answer), str):
        return "decline"
    said = str.__str__(answer)
    for word in APPROVALS:
        if said == word:
            return word
    return "accept" if said == "allow" else "decline"


def _denial(question: Question, outcome: Failed | TimedOut) -> Deny:
    whose = f"the {question.asks} handler"
    if isinstance(outcome, TimedOut):
        return deny(f"{whose} did not answer within {outcome.after} s")
    return deny(f"{whose} failed ({outcome.cause})")
