"""What a registry holds: which process has which keys, found from either side.

It changes under the lock of the nodes, and is read without one: what is read at once is one dict,
and copying that is one operation, as entries are compared by identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam.otp.control import Control

__all__ = ["Entries", "Entry"]


class Entry:
    """One key of one process."""

    __slots__ = ("holder", "key", "value")

    def __init__(self, holder: Control, key: Any, value: Any) -> None:
        self.holder = holder
        self.key = key
        self.value = value


class Entries:
    """What a registry holds.

    Args:
        owner: the registry's process, with which everything ends.
        unique: whether a key has one holder.

    Attributes:
        closed: whether the owner is dead.
    """

    __slots__ = ("_by_holder", "_by_key", "_owner", "closed", "unique")

    def __init__(self, owner: Control, *, unique: bool) -> None:
        self._owner = owner
        self.unique = unique
        self.closed = False
        # Dicts for their order, which is that of registration.
        self._by_key: dict[Any, dict[Entry, None]] = {}
        self._by_holder: dict[Control, dict[Entry, None]] = {}

    # Reading

    def of_key(self, key: Any) -> tuple[Entry, ...]:
        """Return the entries of a key."""
        found = self._by_key.get(key)
        return tuple(found) if found is not None else ()

    def of_holder(self, holder: Control) -> tuple[Entry, ...]:
        """Return the entries of a process."""
        found = self._by_holder.get(holder)
        return tuple(found) if found is not None else ()

    def all(self) -> list[Entry]:
        """Return every entry; each process's are together."""
        return [entry for found in list(self._by_holder.values()) for entry in tuple(found)]

    def __len__(self) -> int:
        return sum(map(len, list(self._by_holder.values())))

    # Changing, under the lock

    def add(self, holder: Control, key: Any, value: Any) -> Entry | None:
        """Add an entry; return the one that has the key, if it may have only one."""
        taken = self.of_key(key) if self.unique else ()
        if taken:
            return taken[0]
        entry = Entry(holder, key, value)
        self._by_key.setdefault(key, {})[entry] = None
        if holder not in self._by_holder:
            self._by_holder[holder] = {}
            holder.holdings = holder.holdings if holder.holdings is not None else {}
            holder.holdings[self] = None
        self._by_holder[holder][entry] = None
        return None

    def remove(self, holder: Control, key: Any) -> int:
        """Remove the entries of a process under a key; return how many there were."""
        few = min(self.of_key(key), self.of_holder(holder), key=len)
        gone = [entry for entry in few if entry.holder is holder and _same(entry.key, key)]
        for entry in gone:
            self._forget(entry)
            del self._by_holder[holder][entry]
        if gone and not self._by_holder[holder]:
            del self._by_holder[holder]
            if holder is not self._owner and holder.holdings is not None:
                holder.holdings.pop(self, None)
        return len(gone)

    def holder_died(self, holder: Control) -> None:
        """Remove the entries of a process that dies; all of them, if it is the registry's."""
        if holder is self._owner:
            self.closed = True
            for other in self._by_holder:
                if other is not holder and other.holdings is not None:
                    other.holdings.pop(self, None)
            self._by_key.clear()
            self._by_holder.clear()
            return
        for entry in self._by_holder.pop(holder, {}):
            self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        found = self._by_key[entry.key]
        del found[entry]
        if not found:
            del self._by_key[entry.key]


def _same(one: Any, other: Any) -> bool:
    """Return whether two keys are the same to a dict."""
    return one is other or bool(one == other)
