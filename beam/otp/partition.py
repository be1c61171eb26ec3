"""Which partition a key belongs to: the same one in every run, on every machine.

    >>> partition_of(7, 4), partition_of(-7, 4)
    (3, 3)
    >>> partition_of("ada", 4) == partition_of("ada", 4)
    True

An integer goes to the partition of its absolute value, modulo their number; any other key by a hash
of what it is made of, which does not depend on `PYTHONHASHSEED` (Python's own does, for text). The
rule is that of Elixir's `PartitionSupervisor`, with a hash of ours for `:erlang.phash2`.

Keys are terms, as the keys of tables (`beam.otp.terms`): 1, 1.0 and `True` are three. Sets, members
of an enumeration and frozen dataclasses are welcome, too. A process counts by its number in its
node, so that the same simulation routes in the same way again.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.otp.atom import Atom

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["partition_of"]

_EXPECTED = (
    "a number, None, a boolean, an Atom, a process, text, bytes, a member of an enumeration, a "
    "frozen dataclass, or a tuple, list, dict or set made of these; str(key) stands for any other"
)


def partition_of(key: Any, partitions: int) -> int:
    """Return the number of the partition that `key` belongs to, from 0 on.

    Args:
        key: any term; see the module.
        partitions: how many there are, 1 or more.

    Raises:
        InvalidInput: if `key`, or a part of it, is none; the error's `value` is that part.
    """
    if isinstance(key, int) and not isinstance(key, bool):
        return abs(int(key)) % partitions
    try:
        written = _written(key)
    except RecursionError:
        raise InvalidInput("key", type(key), "a key that is nested less deeply") from None
    return int.from_bytes(blake2b(written, digest_size=8).digest()) % partitions


def _written(key: Any) -> bytes:
    """Return bytes that say what `key` is: the same for the same term, others for others."""
    if isinstance(key, str):
        return b"s" + str.encode(key, "utf-8", "surrogatepass")
    if isinstance(key, tuple):
        return b"(" + _joined(map(_written, key))
    if key is None or isinstance(key, bool | Atom):
        return b"a" + str(key).encode("utf-8", "surrogatepass")
    if isinstance(key, int):
        return b"i%d" % int(key)
    if isinstance(key, float):
        return b"f" + struct.pack(">d", key + 0.0)  # 0.0 and -0.0 are one number.
    if isinstance(key, bytes):
        return b"b" + key
    return _rare(key)


def _rare(key: Any) -> bytes:
    if isinstance(key, list):
        return b"[" + _joined(map(_written, key))
    if isinstance(key, dict):
        return b"{" + _joined(sorted(_written(pair) for pair in key.items()))
    if isinstance(key, set | frozenset):
        return b"<" + _joined(sorted(map(_written, key)))
    if isinstance(key, enum.Enum):
        return b"e" + _joined([_kind(key), _written(key.name)])
    if is_dataclass(key) and not isinstance(key, type) and type(key).__hash__ is not None:
        values = tuple(getattr(key, field.name) for field in fields(key) if field.compare)
        return b"d" + _joined([_kind(key), _written(values)])
    number = getattr(key, "__term_order__", None)
    if number is None:
        raise InvalidInput("key", key, _EXPECTED)
    # Without the name of its node, which says how many nodes there were before it.
    return b"r" + _written(number[-1] if isinstance(number, tuple) else number)


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)


def _kind(key: object) -> bytes:
    return _written(f"{type(key).__module__}.{type(key).__qualname__}")
