"""A rebuild from the bare log gives the same table, to the byte: how a test compares them.

    with running(open_store) as state:
        ...
        assert rebuilt(state, "store") == as_bytes(state, "store")

What belongs to one life of the program, such as handlers at work, is left out by `only`, a function
of a row's key.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from beam.log import MemoryStore, Record, SqliteStore, store_of
from beam.model.encoding import encode
from beam.state.keeper import table_of
from tests.state.running import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import Store
    from tests.state.running import State


def _all(key: Any) -> bool:
    return True


def as_bytes(state: State, table: str, only: Callable[[Any], bool] = _all) -> bytes:
    """Return a table as bytes: every row, in the order of its key, field by field."""
    rows = table_of(state.node, table).tab2list()
    texts = [encode(_plain(list(row))) for row in rows if only(row[0])]
    return "\n".join(sorted(texts)).encode()


def rebuilt(state: State, table: str, only: Callable[[Any], bool] = _all, **options: Any) -> bytes:
    """Return a table as bytes, as owners that know nothing but the log make it.

    Args:
        state: the owners that know more.
        table: the table's name.
        only: which rows, by their keys.
        options: those of the owners, as of `running`.
    """
    log = store_of(state.node)
    with TemporaryDirectory() as directory:
        store = _copy(log, Path(directory))
        with running(lambda: store, **options) as again:
            return as_bytes(again, table, only)


def _copy(log: Store, directory: Path) -> Store:
    """Return a log with the same records, and no snapshot beside it."""
    records = [
        Record(one.id, one.stream, one.type, one.timestamp, one.body) for one in log.read_all()
    ]
    store: Store = MemoryStore()
    if isinstance(log, SqliteStore):
        store = SqliteStore.open(directory / "copy.db", durability="process")
    store.append_wait(records, timeout=30.0)
    return store


def without_snapshots(path: Path) -> None:
    """Delete the snapshots beside a log."""
    shutil.rmtree(path.with_name(f"{path.name}-snapshots"), ignore_errors=True)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        shown = {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
        return {"": type(value).__name__, **shown}
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(item)] for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(encode(_plain(one)) for one in value)
    return value if value is None or isinstance(value, str | int | float) else repr(value)
