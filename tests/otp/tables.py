"""How tests of tables have processes make them, use them, and end."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import TableRefused
from beam.otp import Table
from beam.otp import exit as exit_process
from tests.otp.actors import SOON, death_of, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.otp import Ref


def by(process: Ref[Any], function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Have a process call a function, and return what came of it."""
    return process.ask(("do", functools.partial(function, *args, **kwargs)), timeout=10 * SOON)


def made_by(process: Ref[Any], *rows: Any, **options: Any) -> Table:
    """Return a table that a process has made, with rows."""
    table = by(process, Table.new, **options)
    assert isinstance(table, Table)
    by(process, table.insert, *rows)
    return table


def kill(process: Ref[Any]) -> None:
    """Kill a process, and wait for its end."""
    exit_process(process, "kill")
    assert death_of(process) == "killed"


def told(heir: Ref[Any]) -> list[Any]:
    """Return the messages that a process has got, once there is one."""
    eventually(lambda: heir.ask("told"))
    messages: list[Any] = heir.ask("told")
    return messages


@contextlib.contextmanager
def refused(reason: str) -> Iterator[None]:
    """Expect a table's refusal."""
    with pytest.raises(TableRefused) as caught:
        yield
    assert caught.value.reason == reason


def outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a function does, or the reason of a table's refusal."""
    try:
        return function(*args, **kwargs)
    except TableRefused as refusal:
        return refusal.reason
