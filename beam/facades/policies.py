"""`fleet.policies`: what agents may do, by profiles, and the audit of what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from beam.facades.part import SessionLike, id_of
from beam.facades.reads import ControlReading
from beam.state.audit import audit_event, audit_events
from beam.state.control_rows import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.policy import Profile, Verdict
    from beam.state.audit import AuditEntry

__all__ = ["PoliciesFacade"]


class PoliciesFacade(ControlReading):
    """Policy profiles, and the audit."""

    __slots__ = ()

    facade: ClassVar[str] = "policies"

    def put_profile(self, profile: Mapping[str, Any]) -> None:
        """Keep a policy profile, in place of any of its name.

        A session is under the profile that its configuration names as `policy_profile_id`.

        Args:
            profile: `profile_id`, and any of `default`, `rules`, `metadata`; see `beam.policy`.

        Raises:
            InvalidInput: `unsupported_profile_key`, `unsupported_rule_key`, `invalid_default`,
                `invalid_match`, `invalid_rule_action`, `invalid_reason` or `invalid_profile`.
        """
        self._ask(CONTROL, "put_policy_profile", profile)

    def get_profile(self, profile_id: str) -> Profile:
        """Return a policy profile.

        Raises:
            NotFound: there is none of this name.
        """
        return self._reads.get_policy_profile(profile_id)

    def list_profiles(self) -> list[Profile]:
        """Return every policy profile, the one put last first."""
        return self._reads.list_policy_profiles()

    def delete_profile(self, profile_id: str) -> None:
        """Forget a profile; sessions that name it are denied everything from then on.

        Raises:
            NotFound: there is none of this name.
        """
        self._ask(CONTROL, "delete_policy_profile", profile_id)

    def evaluate(self, profile_id: str | None, action: str, context: Mapping[str, Any]) -> Verdict:
        """Return what a policy says about an action.

        Args:
            profile_id: its name; `None` allows, an unknown one denies.
            action: `approval`, `backend`, `command`, ...
            context: with what, as the rules' paths look at it.
        """
        return self._reads.evaluate_policy(profile_id, action, context)

    def verdict(self, session: SessionLike, action: str, context: Mapping[str, Any]) -> Verdict:
        """Return what the session's policy says about an action; without one, it allows."""
        return self._reads.policy_verdict(id_of(session), action, context)

    def record_audit(
        self,
        category: str,
        action: str,
        scope: Mapping[str, str | None],
        details: Mapping[str, Any],
    ) -> None:
        """Write down that something was decided; it is in the log when this returns.

        Args:
            category: of which part of your program.
            action: what was decided about.
            scope: any of `session_id`, `thread_id`, `run_id` and `profile_id`.
            details: JSON data, `decision` among it if there was one; secrets are redacted.

        Raises:
            InvalidInput: `unsupported_audit_scope_key`, `invalid_audit_scope`.
        """
        journal = self._grounds.commons.journal()
        journal.append_wait([audit_event(journal, category, action, scope, details)])

    def audit(
        self,
        *,
        category: str | None = None,
        action: str | None = None,
        decision: str | None = None,
        session_id: str | None = None,
        run_id: str | None = None,
        profile_id: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[AuditEntry]:
        """Return entries of the audit, the oldest first.

        Args:
            category: only those of this part of the fleet.
            action: only those about this.
            decision: only those that came to this.
            session_id: only those of this session.
            run_id: only those of this run.
            profile_id: only those of this policy.
            after: only those with a larger sequence.
            limit: at most so many of those that match.
        """
        return audit_events(
            self._grounds.commons.journal(),
            category=category,
            action=action,
            decision=decision,
            session_id=session_id,
            run_id=run_id,
            profile_id=profile_id,
            after=after,
            limit=limit,
        )
