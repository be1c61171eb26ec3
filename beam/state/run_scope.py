"""What a run record belongs to: a session, a thread of it, a parent.

>>> Scope.of("session_1")
Scope(session_id='session_1', thread_id=None, parent_run_id=None)
>>> parent = RunRecord(run_id="run_1", session_id="s", thread_id="t", created_at=1, updated_at=1)
>>> Scope.of({"parent_run_id": "run_1"}).within(parent).session_id
's'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from beam.errors import InvalidInput, StateRefused
from beam.state.run_records import RunRecord

__all__ = ["Scope"]

_KEYS = ("session_id", "thread_id", "parent_run_id")


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope.

    Attributes:
        session_id: the session.
        thread_id: the thread in it.
        parent_run_id: the run that it is a part of.
    """

    session_id: str | None = None
    thread_id: str | None = None
    parent_run_id: str | None = None

    @classmethod
    def of(cls, given: object) -> Scope:
        """Return the scope of a session's id, of a mapping with any of the fields, or of `None`.

        Raises:
            InvalidInput: `unsupported_scope_key` or `invalid_scope`.
        """
        if given is None:
            return cls()
        if isinstance(given, str):
            given = {"session_id": given}
        if not isinstance(given, Mapping):
            raise _invalid("invalid_scope", "scope", given)
        for key, value in given.items():
            if key not in _KEYS:
                raise _invalid("unsupported_scope_key", str(key), value)
            if value is not None and not (isinstance(value, str) and value):
                raise _invalid("invalid_scope", key, value)
        return cls(**given)

    def within(self, parent: RunRecord | None) -> Scope:
        """Return the scope with what it lacks from the parent.

        Raises:
            StateRefused: `inconsistent_parent_scope`: it is another than the parent's;
                `session_id_required_for_thread`.
        """
        scope = self
        if parent is not None:
            for key in ("session_id", "thread_id"):
                mine, theirs = getattr(scope, key), getattr(parent, key)
                if mine is not None and theirs not in (None, mine):
                    raise StateRefused(
                        "inconsistent_parent_scope", key=key, parent_run_id=parent.run_id
                    )
                if mine is None:
                    scope = replace(scope, **{key: theirs})
        if scope.thread_id is not None and scope.session_id is None:
            raise StateRefused("session_id_required_for_thread", thread_id=scope.thread_id)
        return scope


def _invalid(reason: str, field: str, value: object) -> InvalidInput:
    expected = f"a session's id, or a mapping with any of {', '.join(_KEYS)}"
    error = InvalidInput(field, value, expected)
    error.reason = reason
    return error
