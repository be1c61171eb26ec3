"""`beam doctor`: what is there, and what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beam import backends
from beam._foreign import foreign_command, foreign_distributions
from beam.backends.credentials import environment
from beam.cli.config import AGENTS
from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Finding", "examine"]

_LIBRARIES = ("pykka", "pydantic", "structlog", "psutil", "cyclopts", "rich")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: the thing.
        found: what it was like.
        fine: whether it can stay so.
    """

    what: str
    found: str
    fine: bool = True


def examine() -> list[Finding]:
    """Look at everything that `beam` needs; changes nothing."""
    return [*_python(), *_libraries(), *_agents(), *_names()]


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("python", f"{version} ({sys.executable})", sys.version_info >= (3, 11))
    system = platform.system()
    yield Finding(
        "system",
        system if system in ("Linux", "Darwin") else f"{system}: OS processes are not supported",
        system in ("Linux", "Darwin"),
    )
    yield Finding("sqlite", sqlite3.sqlite_version, sqlite3.sqlite_version_info >= (3, 35))


def _libraries() -> Iterator[Finding]:
    for name in ("beam-fleet", *_LIBRARIES):
        try:
            yield Finding(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            installed = importlib.util.find_spec(name.replace("-", "_")) is not None
            said = "there, without its metadata" if installed else "missing"
            yield Finding(name, said, installed or name == "beam-fleet")


def _agents() -> Iterator[Finding]:
    """Say of each real agent whether it is there, in which version, and if it was tested."""
    for name in AGENTS:
        backend = getattr(backends, name)()
        try:
            backend.check()
        except InvalidInput as error:
            yield Finding(name, f"not there ({error})")
            continue
        program = backend.find()
        version = _version(program)
        first, end = backend.tested
        tested = bool(version) and _numbers(first) <= _numbers(version) < _numbers(end)
        said = version or "its version is not told"
        advice = "" if tested else f"; tested are those from {first} up to {end}"
        yield Finding(name, f"{said} ({program}){advice}", tested)


def _version(program: str) -> str:
    """Return the version that a program says of itself, empty if it does not.

    To say that it needs no credential, and gets none (G17).
    """
    plain = environment(os.environ, own=())
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False,
            stdin=subprocess.DEVNULL, env=plain,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found is not None else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _names() -> Iterator[Finding]:
    others = foreign_distributions()
    for other in others:
        yield Finding("another beam", str(other), fine=False)
    if not others:
        yield Finding("package beam", "ours, and nobody else's")
    command = foreign_command()
    if command is not None:
        yield Finding("command beam", f"{command} is not ours; use `python -m beam`", fine=False)
