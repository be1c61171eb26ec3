"""The four kinds of table, by name.

>>> new_storage("bag").kind, new_storage().kind
('bag', 'set')
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from beam.errors import InvalidInput
from beam.otp.counters import is_integer
from beam.otp.hashed import BagStorage, DuplicateBagStorage, SetStorage
from beam.otp.ordered import OrderedStorage

if TYPE_CHECKING:
    from beam.otp.storage import Storage

__all__ = ["KINDS", "new_storage"]

KINDS: Final[dict[str, type[Storage]]] = {
    storage.kind: storage
    for storage in (SetStorage, OrderedStorage, BagStorage, DuplicateBagStorage)
}


def new_storage(kind: object = "set", keypos: object = 1) -> Storage:
    """Return the storage of a new table, with no rows.

    Args:
        kind: `set`, `ordered_set`, `bag` or `duplicate_bag`.
        keypos: the position of the key in the rows, from 1.

    Raises:
        InvalidInput: `kind` is none of these, or `keypos` no integer from 1.
    """
    storage = KINDS.get(kind) if isinstance(kind, str) else None
    if storage is None:
        raise InvalidInput("kind", kind, f"one of {', '.join(KINDS)}")
    if not is_integer(keypos) or keypos < 1:
        raise InvalidInput("keypos", keypos, "an integer from 1")
    return storage(keypos)
