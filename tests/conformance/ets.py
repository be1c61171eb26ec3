"""Plays table programs (`ets.jsonl`) on `Table`; each process of one is a process of `beam.otp`.

Every operation is done by the process that the scenario names, so that access, ownership and heirs
count. What a table refuses, and bad input, are what Erlang calls `badarg`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.otp import Atom, Refused, Server, Table, TableTransfer, exit
from beam.testing import settle
from tests.conformance.terms import Terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from beam.otp import Call, Node

    Op = Mapping[str, Any]

__all__ = ["play"]

_NONE = Atom("none")
_BADARG = Atom("badarg")
# What `Table.info` calls otherwise.
_ITEMS = {"named_table": "named", "protection": "access"}


def play(scenario: Mapping[str, Any], _node: Node) -> Iterator[dict[str, Any]]:
    """Yield the result of each operation."""
    program = _Program(scenario["procs"])
    for op in scenario["ops"]:
        yield program.perform(op)
        settle()


class _Owner(Server):
    """A process of a scenario: it does what it is asked, and keeps what tables tell it."""

    def init(self) -> None:
        self.told: list[Any] = []

    def handle_call(self, message: Callable[[], Any], _caller: Call) -> dict[str, Any]:
        try:
            return {"v": message()}
        except (Refused, ValueError):
            return {"err": _BADARG}

    def handle_info(self, message: TableTransfer) -> None:
        named = message.table.info()["named"]
        table = message.table.name if named else message.table
        self.told.append((Atom("ETS-TRANSFER"), table, message.process, message.data))

    def tell(self) -> list[Any]:
        """Return what it has been told since the last time."""
        told, self.told = self.told, []
        return told


class _Program:
    """The processes and tables of one scenario, by their names."""

    def __init__(self, names: list[str]) -> None:
        self._terms = Terms(tables=True)
        self._tables: dict[str, Table] = {}
        for name in names:
            self._terms.name(name, _Owner.start())

    def perform(self, op: Op) -> dict[str, Any]:
        process = self._terms.named(op["by"])
        if not process.is_alive():
            return {"v": "noproc"}
        if op["op"] == "exit":
            exit(process, "kill")
            return {"v": "ok"}
        if op["op"] == "mbox":
            return {"v": self._terms.term(process.proxy().tell().get())}
        result: dict[str, Any] = process.ask(lambda: self._do(op))
        return {key: self._terms.term(value) for key, value in result.items()}

    def _do(self, op: Op) -> Any:
        """Do it; run by the process that it says."""
        name, args = op.get("tab", ""), self._terms.value(op.get("a", []))
        match op["op"]:
            case "new":
                return self._new(op["name"], self._terms.value(op["opts"]))
            case "whereis":
                return Table.whereis(Atom(name))
            case "info":
                return self._info(name, *args)
            case "rename":
                self._table(name).rename(Atom(op["to"]))
                return Atom("ok")
        return self._operate(op["op"], self._table(name), args)

    def _new(self, name: str, options: list[Any]) -> Any:
        table = Table.new(Atom(name), **_options(options))
        self._tables.pop(name, None)
        self._terms.name(name, table)
        if table.info()["named"]:
            return table.name
        self._tables[name] = table
        return table

    def _table(self, name: str) -> Table:
        """Return what was made under that name; a named table goes by its name as it is now."""
        table = self._tables.get(name) or Table.whereis(Atom(name))
        if table is None:
            raise ValueError(name)
        return table

    def _info(self, name: str, item: Atom) -> Any:
        try:
            found = self._table(name).info()
        except (Refused, ValueError):
            return None
        key = _ITEMS.get(item.name, item.name)
        if key not in found:
            raise ValueError(item)
        value = found[key]
        if value is None:
            return _NONE
        return Atom(value) if isinstance(value, str) else value

    def _operate(self, name: str, table: Table, args: list[Any]) -> Any:
        """Return what the table's method returns; nothing is Erlang's `true`."""
        match name, args:
            case "select_chunks", [spec, limit]:
                return list(_chunks(table, spec, limit))
            case "setopts", [options]:
                (option,) = options if isinstance(options, list) else [options]
                name, args = "set_heir", [*_heir(option)]
            case "safe_fixtable", [is_fixed]:
                name, args = ("fix" if is_fixed else "release"), []
            case (("insert" | "insert_new"), [list(rows)]):
                args = rows
            case (("foldl" | "foldr"), _):
                args = [lambda row, rows: [row, *rows], []]
        result = getattr(table, name)(*args)
        return True if result is None else result


def _chunks(table: Table, spec: Any, limit: int) -> Iterator[list[Any]]:
    found, more = table.select(spec, limit)
    while found:
        yield found
        found, more = ([], None) if more is None else table.select(more)


def _options(options: list[Any]) -> dict[str, Any]:
    """Return the arguments of `Table.new` for the options of `ets:new/2`; of two the last counts.

    But `set` and `protected` are what a table is if nothing is said, and say nothing.
    """
    chosen: dict[str, Any] = {}
    for option in options:
        match option:
            case Atom(name="set" | "protected"):
                pass
            case Atom(name="ordered_set" | "bag" | "duplicate_bag" as kind):
                chosen["kind"] = kind
            case Atom(name="public" | "private" as access):
                chosen["access"] = access
            case Atom(name="named_table"):
                chosen["named"] = True
            case (Atom(name="keypos"), position):
                chosen["keypos"] = position
            case _:
                heir, data = _heir(option)
                chosen["heir"] = None if heir is None else (heir, data)
    return chosen


def _heir(option: Any) -> tuple[Any, Any]:
    """Return whom an option `{heir, ...}` names, and what it will be told."""
    match option:
        case (Atom(name="heir"), Atom(name="none")):
            return None, None
        case (Atom(name="heir"), process, data):
            return process, data
    raise ValueError(option)
