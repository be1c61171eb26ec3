"""Reviews: somebody is asked to look at a thread, looks, and says what came of it.

>>> review = Review.of(
...     {"issues": ["a typo"]}, session_id="s", thread_id="t", review_id="r", at=10
... )
>>> review.stage, review.review_metrics["issue_count"], review.issues[0]["value"]
('requested', 1, 'a typo')
>>> review = review.advanced("active", {"comments": [{"text": "looking"}]}, at=20)
>>> review = review.closed({"resolutions": ["mended"]}, at=30)
>>> [one["stage"] for one in review.stage_history], review.status
(['requested', 'active', 'resolved'], 'closed')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from beam.errors import InvalidInput, StateRefused
from beam.state.control_event import SOURCE

__all__ = ["STAGES", "Review"]

STAGES = ("requested", "active", "resolved")
"""The stages of a review, in their order; it may begin in another, of its user's own."""

_LISTS = {
    "participants": "participant_count",
    "comments": "comment_count",
    "issues": "issue_count",
    "resolutions": "resolution_count",
}
_KINDS = {"comments": "comment", "issues": "issue", "resolutions": "resolution"}
# Entries of one list of a review; more are refused, so that a review cannot fill the memory (G19).
MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review; each change returns the next.

    Attributes:
        review_id: its name in the session.
        session_id: the session.
        thread_id: the thread that is looked at.
        backend: the session's, if it is known.
        mode: how, in its user's words.
        source: where it comes from.
        target: what is looked at.
        stage: how far it is.
        status: `closed` once it is over.
        participants, comments, issues, resolutions: what was said, each with when.
        stage_history: every stage so far, with when.
        created_at, updated_at: Unix milliseconds.
        params: what it was begun with.
    """

    review_id: str
    session_id: str
    thread_id: str
    created_at: int
    updated_at: int
    backend: str | None = None
    mode: str = "review"
    source: str = SOURCE
    target: Any = "canonical"
    stage: str = "requested"
    status: Literal["active", "closed"] = "active"
    participants: tuple[Mapping[str, Any], ...] = ()
    comments: tuple[Mapping[str, Any], ...] = ()
    issues: tuple[Mapping[str, Any], ...] = ()
    resolutions: tuple[Mapping[str, Any], ...] = ()
    stage_history: tuple[Mapping[str, Any], ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def review_metrics(self) -> dict[str, int]:
        """How much was said."""
        return {count: len(getattr(self, name)) for name, count in _LISTS.items()}

    @classmethod
    def of(
        cls, params: Mapping[str, Any], *, session_id: str, thread_id: str, review_id: str, at: int
    ) -> Review:
        """Return a review that begins now.

        Args:
            params: JSON data: `backend`, `mode`, `source`, `target`, `stage` (or `review_stage`)
                and the lists, as far as they are given.
            session_id: the session.
            thread_id: the thread.
            review_id: its name, unless `params` has one.
            at: Unix milliseconds.

        Raises:
            InvalidInput: a field is not what it must be.
        """
        stage = params.get("stage", params.get("review_stage", STAGES[0]))
        named = {
            "review_id": params.get("review_id", review_id),
            "mode": params.get("mode", "review"),
            "source": params.get("source", SOURCE),
            "stage": stage,
        }
        for key, value in named.items():
            if not (isinstance(value, str) and value):
                raise InvalidInput(key, value, "a non-empty text")
        review = cls(
            **named,
            session_id=session_id,
            thread_id=thread_id,
            backend=params.get("backend"),
            target=params.get("target", "canonical"),
            created_at=at,
            updated_at=at,
            params=params,
        )
        return review._with_entries(params, at)._in_stage(stage, at)

    def advanced(self, stage: str, more: Mapping[str, Any], *, at: int) -> Review:
        """Go on to a later stage, or stay in the same, with more that was said.

        Raises:
            StateRefused: `invalid_status_transition`: it is closed, or past that stage.
            InvalidInput: it is no stage before `resolved`, or an entry is not what it must be.
        """
        if stage not in STAGES[:-1]:
            raise InvalidInput("stage", stage, " or ".join(map(repr, STAGES[:-1])))
        if self.status == "closed" or _rank(stage) < _rank(self.stage):
            raise self._refused(stage)
        review = self if stage == self.stage else self._in_stage(stage, at)
        return replace(review._with_entries(more, at), updated_at=at)

    def closed(self, more: Mapping[str, Any], *, at: int) -> Review:
        """End it, with what came of it.

        Raises:
            StateRefused: `invalid_status_transition`: it is closed already.
            InvalidInput: an entry is not what it must be.
        """
        if self.status == "closed":
            raise self._refused("resolved")
        review = self._with_entries(more, at)._in_stage("resolved", at)
        return replace(review, status="closed", updated_at=at)

    def as_data(self) -> dict[str, Any]:
        """Return the review as JSON data; `from_data` reads it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Review:
        """Return the review that `as_data` made the data of."""
        lists = {name: tuple(data[name]) for name in (*_LISTS, "stage_history")}
        return cls(**{**data, **lists})

    def _with_entries(self, more: Mapping[str, Any], at: int) -> Review:
        changed: dict[str, Any] = {}
        for name in _LISTS:
            given = more.get(name)
            entries = given if isinstance(given, list | tuple) else ()
            known = getattr(self, name)
            if len(known) + len(entries) > MOST:
                raise InvalidInput(name, len(known) + len(entries), f"at most {MOST} entries")
            changed[name] = (*known, *(_entry(name, one, at) for one in entries))
        return replace(self, **changed)

    def _in_stage(self, stage: str, at: int) -> Review:
        past = {"stage": stage, "source": self.source, "timestamp": at}
        return replace(self, stage=stage, stage_history=(*self.stage_history, past))

    def _refused(self, requested: str) -> StateRefused:
        return StateRefused(
            "invalid_status_transition",
            review_id=self.review_id,
            current=self.stage,
            requested=requested,
        )


def _rank(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else 0


def _entry(name: str, given: Any, at: int) -> dict[str, Any]:
    entry = dict(given) if isinstance(given, Mapping) else {"value": given}
    if name == "participants":
        return {"joined_at": at, "presence": "online", **entry}
    return {"kind": _KINDS[name], "created_at": at, **entry}
