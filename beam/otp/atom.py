"""Atoms: names that are values, told apart from text.

    >>> Atom("ok"), Atom("ok") is Atom("ok"), Atom("ok") == "ok"
    (Atom('ok'), True, False)

Tables and the order of terms (`beam.otp.terms`) need them: in Erlang `ok` and `<<"ok">>` are
different keys, and atoms come before everything but numbers.
"""

from __future__ import annotations

from functools import total_ordering
from threading import RLock
from typing import ClassVar, Final, NoReturn, cast, final
from weakref import WeakValueDictionary

from beam.errors import InvalidInput

__all__ = ["Atom"]

_BOOLEANS: Final = {"true": True, "false": False}


@final
@total_ordering
class Atom:
    """A name that is a value: `Atom("ok")`. There is one object for each name.

    Atoms are equal when they are the same object, hash as such, and sort by name. An atom is not
    text. The booleans are the atoms `true` and `false`, as in Erlang, so `Atom("true")` is `True`.
    An atom that nobody refers to any more is freed.

        >>> sorted([Atom("b"), Atom("a")]), Atom("true")
        ([Atom('a'), Atom('b')], True)
    """

    __slots__ = ("__weakref__", "name")

    _interned: ClassVar[WeakValueDictionary[str, Atom]] = WeakValueDictionary()
    # Re-entrant, as a finalizer that makes an atom may run wherever memory is allocated.
    _lock: ClassVar[RLock] = RLock()

    name: str

    def __new__(cls, name: str) -> Atom:
        """Return the atom of that name; any thread may.

        Args:
            name: any text, the empty one too.

        Raises:
            InvalidInput: `name` is not a `str`.
        """
        if not isinstance(name, str):
            raise InvalidInput("name", name, "a str")
        if name in _BOOLEANS:
            return cast("Atom", _BOOLEANS[name])
        atom = cls._interned.get(name)
        if atom is not None:
            return atom
        atom = object.__new__(cls)
        object.__setattr__(atom, "name", str.__str__(name))
        with cls._lock:
            return cls._interned.setdefault(name, atom)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an Atom does not change; {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an Atom does not change; {name!r} cannot be deleted")

    def __reduce__(self) -> tuple[type[Atom], tuple[str]]:
        # So that copies, and pickles that are read back, are the one atom of the name.
        return Atom, (self.name,)

    def __repr__(self) -> str:
        return f"Atom({self.name!r})"

    def __str__(self) -> str:
        return self.name

    def __lt__(self, other: object) -> bool:
        return self.name < other.name if isinstance(other, Atom) else NotImplemented
