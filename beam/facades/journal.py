"""`fleet.journal`: entries of your own in the log, and a journal on all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from beam.facades.part import Part
from beam.state.journal_entries import (
    acknowledge,
    acknowledgements,
    append_entry,
    entries,
    entry,
)

if TYPE_CHECKING:
    import builtins
    from collections.abc import Mapping

    from beam.state.journal import Journal
    from beam.state.journal_entries import JournalEntry

__all__ = ["JournalFacade"]


class JournalFacade(Part):
    """Entries of your own. Called, it is a journal on the fleet's log: all events, in streams."""

    __slots__ = ()

    facade: ClassVar[str] = "journal"

    def __call__(self) -> Journal:
        """Return a journal on the fleet's log, to read events from and write some.

        Raises:
            StoreClosed: the log was not back within 5 s.
        """
        return self._grounds.commons.journal()

    def append(self, event_type: str, event: Mapping[str, Any] | None = None) -> JournalEntry:
        """Write an entry; it is in the log when this returns.

        Args:
            event_type: any non-empty text but `audit`: `fleet.policies.record_audit` writes those.
            event: any of `event_id`, `session_id`, `thread_id`, `run_id`, `timestamp` (Unix
                milliseconds), `tags` and `payload`; secrets in it are redacted.

        Raises:
            InvalidInput: `invalid_event_type`, `unsupported_event_key`, `invalid_event`,
                `session_id_required_for_thread`.
            AlreadyExists: an event of this id is in the log.
        """
        with self._blocking("append"):
            return append_entry(self(), event_type, event)

    def list(self, **wanted: Any) -> builtins.list[JournalEntry]:
        """Return entries, the oldest first; the audit's are among them.

        Args:
            wanted: `event_id`, `event_type`, `session_id`, `thread_id` (with its session),
                `run_id`, `tag`, `since` (Unix milliseconds), and `limit`: the oldest that match.

        Raises:
            InvalidInput: it is none of these, or not what it must be.
        """
        return self.stream_from(0, **wanted)

    def stream_from(self, cursor: int, **wanted: Any) -> builtins.list[JournalEntry]:
        """Return entries with a larger sequence than `cursor`; 0 is the beginning. As `list`.

        Raises:
            InvalidInput: `invalid_cursor`; or as `list`.
        """
        return entries(self(), after=cursor, **wanted)

    def get(self, event_id: str) -> JournalEntry:
        """Return an entry.

        Raises:
            NotFound: there is none of this id.
            InvalidInput: it cannot be an id.
        """
        return entry(self(), event_id)

    def ack(self, consumer: str, event_id: str) -> None:
        """Mark an entry as seen by a consumer, for good; a second time changes nothing.

        Raises:
            NotFound: there is no entry of this id.
        """
        with self._blocking("ack"):
            acknowledge(self(), consumer, event_id)

    def acks(self, event_id: str) -> dict[str, int]:
        """Return who has acknowledged an entry, and when first, Unix milliseconds."""
        return acknowledgements(self(), event_id)
