"""The functions of the specification: 124, told apart by name and arity; 113 by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["FUNCTIONS", "Function", "longest"]

_TEXT = (Path(__file__).parent / "functions.txt").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        module: `routing`, `runtime` or `control`.
        name: its name.
        arguments: their names, in order.
    """

    module: str
    name: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.module}.{self.name}/{len(self.arguments)}"


def _read(line: str) -> Function:
    module, name, *arguments = line.split()
    return Function(module, name, tuple(arguments))


FUNCTIONS = tuple(_read(line) for line in _TEXT.splitlines())


def longest() -> dict[tuple[str, str], Function]:
    """Return of each name the function with the most arguments: the one that Python has."""
    found: dict[tuple[str, str], Function] = {}
    for one in sorted(FUNCTIONS, key=lambda one: len(one.arguments)):
        found[one.module, one.name] = one
    return found
