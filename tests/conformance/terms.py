"""Terms: how the values of the traces are written in Python, and back.

| JSON | Erlang's term | Python's value, among processes | in tables |
|---|---|---|---|
| `"abc"` | atom | `"abc"` | `Atom("abc")` |
| `"true"`, `"false"` | atom | `True`, `False` | `True`, `False` |
| `"undefined"` | atom | `"undefined"`; `None` is written so | `Atom("undefined")`; likewise |
| `1` | integer | `1` | `1` |
| `{"f":"1.5"}` | float | `1.5` | `1.5` |
| `{"b":"text"}` | binary | `b"text"` | `"text"` |
| `{"t":[a,b]}` | tuple | `(a, b)` | `(a, b)` |
| `[a,b]` | list | `[a, b]` | `[a, b]` |
| `{"m":[[k,v]]}` | map | `{k: v}` | `{k: v}` |
| `{"p":"name"}` | pid | the `Ref` that has this name | likewise |
| `{"r":"name"}` | reference | the `Monitor` or `Table` that has this name | likewise |

Reasons, names and ids are words, and a word is a `str` in `beam.otp`; a table tells a word from
text, so there an atom is an `Atom`. What is a value of its own in Python is written as what it is
in Erlang:

| Python | Erlang |
|---|---|
| `Crash(Uncaught(reason))` | `{reason,$stack}`: the reason of an uncaught error |
| `Crash(error)` of an error of `beam`'s own | `{error.reason,$stack}` |
| `Down(monitor, process, reason)` | `{'DOWN',monitor,process,process,reason}` |
| `Exit(process, reason)` | `{'EXIT',process,reason}` |
| `TableTransfer(table, process, data)` | `{'ETS-TRANSFER',table,process,data}` |
| a class of processes | `$mod` |
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from beam.errors import BeamError
from beam.otp import Atom, Crash, Down, Exit, Monitor, Process, Ref, Table, TableTransfer

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["STACK", "Terms", "Uncaught"]

STACK: Final = "$stack"

_WORDS: Final = {"true": True, "false": False}
_ATOMS: Final = {True: "true", False: "false", None: "undefined"}


class Uncaught(Exception):
    """An error of Erlang's, `error(term)`, as an exception of Python's."""

    def __init__(self, term: Any) -> None:
        super().__init__(term)
        self.term = term


class Terms:
    """The table of the module, with the names that one scenario gives to processes and references.

    Args:
        tables: whether to write atoms and text as tables have them.
    """

    def __init__(self, *, tables: bool = False) -> None:
        self._tables = tables
        self._named: dict[str, Any] = {}
        self._names: dict[Hashable, str] = {}

    def name(self, name: str, value: Any) -> None:
        """Give a process, a monitor or a table its name; a later one takes the name over."""
        self._named[name] = value
        self._names[value] = name

    def named(self, name: str) -> Any:
        """Return what has this name."""
        return self._named[name]

    def name_of(self, value: Hashable) -> str:
        """Return the name of a process, a monitor or a table."""
        return self._names[value]

    def value(self, term: Any) -> Any:
        """Return the Python value of a term."""
        if isinstance(term, str):
            return self._atom(term)
        if isinstance(term, list):
            return [self.value(one) for one in term]
        if not isinstance(term, dict):
            return term
        ((kind, inside),) = term.items()
        match kind:
            case "f":
                return float(inside)
            case "b":
                return inside if self._tables else inside.encode()
            case "t":
                return tuple(self.value(one) for one in inside)
            case "m":
                return {self.value(key): self.value(value) for key, value in inside}
            case "p" | "r":
                return self._named[inside]
        raise ValueError(f"no term: {term!r}")

    def _atom(self, name: str) -> Any:
        if self._tables:
            return Atom(name)
        return _WORDS.get(name, name)

    def term(self, value: Any) -> Any:
        """Return the term of a Python value."""
        match value:
            case None | bool():
                return _ATOMS[value]
            case Atom():
                return value.name
            case str():
                return {"b": value} if self._tables else value
            case bytes():
                return {"b": value.decode()}
            case int():
                return value
            case float():
                return {"f": _digits(value)}
            case tuple():
                return self._tuple(*value)
            case list():
                return [self.term(one) for one in value]
            case dict():
                return {"m": [[self.term(key), self.term(one)] for key, one in value.items()]}
        return self._other(value)

    def _tuple(self, *values: Any) -> Any:
        return {"t": [self.term(one) for one in values]}

    def _message(self, word: str, *values: Any) -> Any:
        return {"t": [word, *(self.term(one) for one in values)]}

    def _other(self, value: Any) -> Any:
        match value:
            case Ref():
                return {"p": self._names[value]}
            case Monitor() | Table():
                return {"r": self._names[value]}
            case Crash(exception=Uncaught(term=term) | BeamError(reason=term)):
                return {"t": [self.term(term), STACK]}
            case Down():
                whom = value.process
                process = self.term(whom) if isinstance(whom, Ref) else {"t": [whom, "$node"]}
                word = {"t": ["DOWN", self.term(value.monitor), "process", process]}
                word["t"].append(self.term(value.reason))
                return word
            case Exit():
                return self._message("EXIT", value.process, value.reason)
            case TableTransfer():
                return self._message("ETS-TRANSFER", value.table, value.process, value.data)
            case type() if issubclass(value, Process):
                return "$mod"
        raise TypeError(f"no term stands for {value!r}")


def _digits(number: float) -> str:
    """Return a float as Erlang writes it: the shorter form, and with a power from 2**53 on."""
    exact = Decimal(repr(number))
    sign, figures, power = exact.normalize().as_tuple()
    plain = f"{exact:f}" if "." in f"{exact:f}" else f"{exact:f}.0"
    digits = "".join(map(str, figures))
    assert isinstance(power, int)
    scaled = f"{'-' * sign}{digits[0]}.{digits[1:] or 0}e{power + len(digits) - 1}"
    return plain if len(plain) <= len(scaled) and abs(number) < 2**53 else scaled
