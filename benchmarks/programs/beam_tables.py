"""Tables of `beam.otp`: one that everybody writes, and one whose owner writes for all."""

from __future__ import annotations

from typing import Any

from beam_otp import quiet, rate
from measure import leave, say
from rows import KINDS, Rows, together

from beam.otp import Node, Server, Table, child, Supervisor


class Public(Rows):
    """Everybody reads and writes."""

    def __init__(self, keys: list[Any]) -> None:
        self.table = Table.new(access="public")
        self.table.insert(*((key, 0) for key in keys))

    def read(self, keys: Any) -> None:
        """Read."""
        lookup = self.table.lookup
        for key in keys:
            lookup(key)

    def write(self, keys: Any) -> None:
        """Write."""
        insert = self.table.insert
        for key in keys:
            insert((key, 1))


class Owner(Server):
    """Owns a table, and writes it for others; never blocks."""

    blocking = False

    def init(self, keys: list[Any]) -> None:
        """Make the table."""
        self.table = Table.new(access="protected")
        self.table.insert(*((key, 0) for key in keys))

    def handle_call(self, message: Any, caller: Any) -> Any:
        """Write a row."""
        return self.table.insert(message)


class Protected(Rows):
    """The owner writes, by calls."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def write(self, keys: Any) -> None:
        """Have it written."""
        ask = self.owner.ask
        for key in keys:
            ask((key, 1))


def blocking(op: Any) -> Any:
    """Return a coroutine that waits for nothing, as a function."""

    def run(count: int) -> None:
        try:
            op(count).send(None)
        except StopIteration:
            return

    return run


def main() -> None:
    """Measure all."""
    quiet()
    with Node():
        for kind, keys in KINDS.items():
            public = Public(keys)
            for workers in (1, 4):
                for operation in ("read", "write"):
                    op = together(getattr(public, operation), keys, workers)
                    figure = f"{operation}s of {kind} keys a second, {workers} at once"
                    say(figure, rate(blocking(op)))
            supervisor = Supervisor.start([child(Owner, keys, name="owner")])
            (line,) = supervisor.which_children()
            for workers in (1, 4):
                op = together(Protected(line.process).write, keys, workers)
                figure = f"writes through the owner of {kind} keys a second, {workers} at once"
                say(figure, rate(blocking(op)))
            supervisor.stop()
        leave()


main()
