"""A question to a session's handlers: as it was asked, and as somebody is to answer it in time.

>>> spoken("permission", {"decision": "allow"}), spoken("approval", ("deny", "no"))
(Allow(params=None, for_session=False), 'decline')
>>> as_data(spoken("permission", "cancel"))
{'decision': 'deny', 'reason': 'cancelled', 'interrupt': True}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from beam.model.encoding import encode
from beam.model.permissions import Allow, Decision, Deny, decision_to_wire, deny, parse_decision
from beam.model.redaction import redact
from beam.state.callbacks import Handler
from beam.state.outcome import Answered, Outcome
from beam.state.permission import (
    APPROVALS,
    Approval,
    Question,
    decide_approval,
    decide_permission,
)
from beam.state.plain import plain_copy

__all__ = ["Ask", "Asked", "Asks", "HandlerCall", "as_data", "denial", "spoken"]

Asks = Literal["permission", "approval", "user_input"]
"""What can be asked of a handler."""

# What the keeper of a request puts into it, whatever the asker wrote there.
_ADDED = frozenset({"request_id", "source", "context"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was asked.

    Attributes:
        session_id: by which session.
        request_id: its name there; asked again under the same name, it is the same question.
        asks: which of the three it is.
        request: what is asked: kind, method and params of a permission; the user's question.
        context: what else is known of it.
    """

    session_id: str
    request_id: str
    asks: Asks
    request: Mapping[str, Any]
    context: Mapping[str, Any] = field(default_factory=dict)

    def noted(self, key: str) -> str | None:
        """Return what the context says under `key`, if that is text."""
        value = self.context.get(key)
        return value if isinstance(value, str) else None

    def is_the_same_as(self, told: Mapping[str, Any]) -> bool:
        """Return whether `told`, a request with or without its secrets, is of this question.

        Raises:
            InvalidInput: this question is not JSON data.
        """
        keys = self.request.keys() - _ADDED
        mine, theirs = ({key: one.get(key) for key in keys} for one in (self.request, told))
        return encode(redact(mine)) == encode(redact(theirs))


@dataclass(frozen=True, slots=True)
class HandlerCall:
    """What to run: a user's handler, what to call it with, and how to read what it returns."""

    handler: Handler
    arguments: tuple[Any, ...]
    read: Callable[[Any], Any]

    def run(self) -> Any:
        """Call the handler on this thread, and return its answer, read.

        Raises:
            BaseException: whatever the handler raises, or its answer when it is looked at.
        """
        return self.read(self.handler(*self.arguments))


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that somebody is to answer within a time.

    Attributes:
        asks: which of the three it is.
        deadline: until when, seconds of the node's clock.
        timeout: the seconds that were given.
        call: the handler to run; `None` where nobody knows of one any more, as after a restart of
            the whole program, which handlers do not survive.
        question: what the handler is asked, of a permission or an approval.
    """

    asks: Asks
    deadline: float
    timeout: float
    call: HandlerCall | None = None
    question: Question | None = None

    @classmethod
    def of(cls, question: Question, asks: Asks, *, deadline: float, timeout: float) -> Ask:
        """Return the ask of a permission or an approval."""
        call = HandlerCall(question.handler, question.arguments, partial(_decision, question, asks))
        return cls(asks, deadline, timeout, call, question)

    @classmethod
    def of_input(cls, asked: Asked, handler: Handler, *, deadline: float, timeout: float) -> Ask:
        """Return the ask of a question to the user."""
        call = HandlerCall(handler, (asked.request, asked.context), _input)
        return cls("user_input", deadline, timeout, call)

    def decided(self, outcome: Outcome) -> Decision | Approval:
        """Return what the outcome of a permission or an approval comes to. Never raises.

        An answer is there as it was read; where there is nobody to ask any more, none counts.
        """
        if self.question is None:
            return denial(self.asks, f"nobody answered within {self.timeout} s")
        if isinstance(outcome, Answered):
            decision: Decision | Approval = outcome.value
            return decision
        return _decided(self.question, self.asks, outcome)


def _decided(question: Question, asks: Asks, outcome: Outcome) -> Decision | Approval:
    decide = decide_approval if asks == "approval" else decide_permission
    return decide(question, outcome)


def _decision(question: Question, asks: Asks, said: Any) -> Decision | Approval:
    """Read a handler's answer, where it can do no harm; what cannot be read denies."""
    decision = _decided(question, asks, Answered(said))
    if isinstance(decision, Allow):
        decision = replace(decision, params=_input(decision.params))
    return decision


def _input(said: Any) -> Any:
    """Return a copy of what a handler said, as data that the log can keep.

    Raises:
        InvalidInput: it is not such data.
    """
    kept = plain_copy("answer", said)
    encode(redact(kept))
    return kept


def as_data(decision: Decision | Approval) -> dict[str, Any] | str:
    """Return a decision as plain data, for the log and for views; `spoken` reads it."""
    return decision_to_wire(decision) if isinstance(decision, (Allow, Deny)) else decision


def spoken(asks: Asks, said: object) -> Decision | Approval:
    """Return the decision that `said` stands for; what cannot be read denies (G14)."""
    decision = parse_decision(said)
    if asks != "approval":
        return decision
    for word in APPROVALS:
        if isinstance(said, str) and said == word:
            return word
    if isinstance(decision, Allow):
        # An approval has no place for changed params, so to accept would run others than allowed.
        return "accept" if decision.params is None else "decline"
    return "cancel" if decision.interrupt else "decline"


def denial(asks: Asks, why: str) -> Decision | Approval:
    """Return the no to a permission or an approval."""
    return "decline" if asks == "approval" else deny(why)
