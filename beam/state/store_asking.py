"""How the process `store` is asked for a change, and what its callers have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound
from beam.model.identifiers import RANDOM_BYTES, IdentifierKind, identifier
from beam.state.store_rows import STORE

if TYPE_CHECKING:
    from beam.otp import Node
    from beam.state.store_changes import Change
    from beam.state.store_state import StoreState

__all__ = ["Ask", "asking", "mapping", "new_id"]

Ask = Callable[[str, "Change"], "StoreState"]
"""Has the store change what is kept of a session; returns its state after that."""


def asking(node: Node) -> Ask:
    """Return how the store in a node is asked, by whoever needs no patience."""

    def ask(session_id: str, change: Change) -> StoreState:
        store = node.whereis(STORE)
        if store is None:
            raise NotFound("restarting", process=STORE)
        state: StoreState = store.proxy().change(session_id, change).get()
        return state

    return ask


def new_id(node: Node, kind: IdentifierKind) -> str:
    """Return a new identifier of a fork, a share, ..."""
    return identifier(kind, node.clock.random.randbytes(RANDOM_BYTES[kind]))


def mapping(field: str, value: object) -> Mapping[str, Any]:
    """Return options, which may be left out.

    Raises:
        InvalidInput: they are no mapping.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput(field, type(value).__name__, "a mapping")
    return value
