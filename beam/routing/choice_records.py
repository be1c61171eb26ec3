"""Choices as the log has them: `routing_selected`, and the audit of what a policy said.

A choice is made twenty thousand times a second, so its record is made here and not event by event:
the text of a decision that was made before is known (`beam.routing.plans`), and names are numbered
after a random beginning, which is also what an index likes best. They go to the log as notes
(`Store.note`). Nothing in it can be a secret: all keys are the router's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.log import Record
from beam.model.encoding import encode
from beam.model.events import FLEET, SCHEMA_VERSION
from beam.state.audit import audit_event
from beam.state.journal import Journal, record_of

if TYPE_CHECKING:
    from beam.policy import Verdict
    from beam.routing.plans import Plan
    from beam.routing.selection import Selection

__all__ = ["ChoiceRecords"]


class ChoiceRecords:
    """Makes the records of one router.

    Args:
        journal: dates them, and names the router's life.
        life: random bytes.
    """

    __slots__ = ("_journal", "_life", "_made")

    def __init__(self, journal: Journal, life: bytes) -> None:
        self._journal = journal
        self._life = life.hex()
        self._made = 0

    def chosen(self, selection: Selection, plan: Plan, session_id: str | None) -> Record:
        """Return the record of a choice."""
        if session_id is None:
            body = plan.text(selection.decision, lambda: _body(selection, None))
        else:
            body = _body(selection, session_id)
        self._made += 1
        name = f"evt_{self._life}{self._made:08x}"
        return Record(name, FLEET, "routing_selected", self._journal.now(), body)

    def audited(self, selection: Selection, verdict: Verdict, session_id: str | None) -> Record:
        """Return the record of what a policy profile said about a choice."""
        details: dict[str, Any] = {
            "decision": verdict.decision,
            "backend": selection.decision.backend,
            "policy": selection.decision.policy,
        }
        if verdict.reason is not None:
            details["reason"] = verdict.reason
        scope = {"session_id": session_id, "profile_id": selection.request.policy_profile_id}
        return record_of(audit_event(self._journal, "routing", "decision", scope, details))


def _body(selection: Selection, session_id: str | None) -> str:
    data: dict[str, Any] = {
        "request": selection.request.as_payload(),
        "decision": selection.decision.as_payload(),
    }
    if selection.binds is not None:
        data["binds"] = selection.binds
    if session_id is not None:
        data["session_id"] = session_id
    return encode({"data": data, "schema_version": SCHEMA_VERSION})
