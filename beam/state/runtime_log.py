"""What the log has of query defaults: all that is set for one session, after each change of it.

    >>> from beam.state.vault import Vault
    >>> vault = Vault(key="a key of the user's own, of 32 letters or more")
    >>> defaults = QueryDefaults().with_provider_config({"id": "openai", "api_key": "sk-1"})
    >>> kept = kept_of(defaults, vault, "session_1")
    >>> kept["shown"]["provider"]["api_key"], defaults_of(kept, vault, "session_1") == defaults
    ('redacted', True)

The newest event of a session says everything, so reading back takes the last one of each. Secrets
are sealed (`beam.state.vault`); one whose key is lost is not set any more, and all else is.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from beam.model.encoding import decode, encode
from beam.state.journal import event_of
from beam.state.query_defaults import QueryDefaults

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beam.log import StoredRecord
    from beam.model.events import EventType
    from beam.state.vault import Vault

__all__ = ["RUNTIME_TYPES", "as_logged", "defaults_of", "kept_of", "newest"]

RUNTIME_TYPES: tuple[EventType, ...] = ("runtime_changed",)
"""What is read back."""

_KEYS = frozenset(field.name for field in fields(QueryDefaults))


def kept_of(defaults: QueryDefaults, vault: Vault, session_key: str) -> dict[str, Any]:
    """Return what is kept of a session's defaults, without a secret in clear.

    Raises:
        InvalidInput: something in them is not JSON data.
        StateRefused: `key_unreadable`.
    """
    return vault.sealed(defaults.present(), about=session_key)


def defaults_of(kept: Mapping[str, Any], vault: Vault, session_key: str) -> QueryDefaults:
    """Return the defaults that were kept; their secrets, if they can be opened."""
    opened = vault.opened(kept, about=session_key)
    return QueryDefaults(**{key: opened[key] for key in opened if key in _KEYS})


def as_logged(defaults: QueryDefaults) -> QueryDefaults:
    """Return the defaults as the log gives them back: a tuple is a list there.

    Raises:
        InvalidInput: something in them is not JSON data.
    """
    return QueryDefaults(**decode(encode(defaults.present())))


def newest(records: Iterable[StoredRecord]) -> tuple[dict[str, Mapping[str, Any]], int]:
    """Return of each session what was kept last, and the position of the last record, 0 if none."""
    last: dict[str, StoredRecord] = {}
    position = 0
    for stored in records:
        # Behind those that changed before it, so that a rebuild has one order.
        last.pop(stored.stream, None)
        last[stored.stream] = stored
        position = stored.position
    return {key: event_of(stored).data for key, stored in last.items()}, position
