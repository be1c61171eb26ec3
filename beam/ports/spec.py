"""What to start: the validated description of one OS process.

    >>> spec = PortSpec.of("claude -p --verbose", extra={"LANG": "C"}, inherit=("PATH", "HOME"))
    >>> spec.argv
    ('claude', '-p', '--verbose')
    >>> PortSpec.of("")
    Traceback (most recent call last):
    ...
    beam.errors.InvalidInput: command: expected a program and its arguments, got ''

A spec is checked when it is made (G20), so that a port never starts half way because of a wrong
option. It promises nothing about the machine: whether the program exists is known when it is
started, and then said with `SpawnFailed`. Environments do not appear in its `repr` (G17).
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal, TypedDict, Unpack

from beam.errors import InvalidInput

__all__ = ["OWNER_VARIABLE", "PortSpec"]

MIB = 1024 * 1024

OWNER_VARIABLE = "BEAM_OWNER"
"""The environment variable that marks every descendant of a port; not for users to set."""

Variables = tuple[tuple[str, str], ...]


class Options(TypedDict, total=False):
    """The attributes of `PortSpec` that `PortSpec.of` passes on as they are."""

    stdin: Literal["pipe", "null"]
    line_limit: int
    spill_limit: int
    stdin_limit: int
    window_lines: int
    window_bytes: int
    stderr_bytes: int
    stderr_lines: int
    grace: float
    kill_wait: float
    start_timeout: float
    mute_grace: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSpec:
    """A program to run, with its surroundings and its bounds.

    `PortSpec.of` takes looser input (a command line, mappings); both check the same.

    Attributes:
        argv: the program and its arguments. A program without a slash is looked up in the PATH of
            the environment it gets; a relative one with a slash starts at `cwd`.
        cwd: the directory to run in; None for ours.
        env: the whole environment; None to take ours, as far as `inherit` lets it through.
        inherit: the names of our variables that go through, `*` at the end for a prefix; None for
            all. Not together with `env`.
        extra: variables added last.
        stdin: `"pipe"` to write to the program, `"null"` for none (it reads end of file).
        line_limit: the bytes of the longest line of stdout that is kept in memory; a longer one
            goes to a file.
        spill_limit: the bytes of such a file; what is over is dropped, and counted.
        stdin_limit: the bytes that may wait to be read by the program.
        window_lines: the lines that may be delivered and not yet acknowledged.
        window_bytes: the same in bytes; one line always fits.
        stderr_bytes: the bytes of the end of stderr kept for reports.
        stderr_lines: the same in lines.
        grace: seconds from TERM to KILL.
        kill_wait: seconds that KILL may take before what is left is reported as surviving.
        start_timeout: seconds that the start may take.
        mute_grace: seconds that the program may live on once nobody can write to its stdout any
            more; then its tree is ended. None for as long as it likes.
    """

    argv: tuple[str, ...]
    cwd: str | None = None
    env: Variables | None = field(default=None, repr=False)
    inherit: tuple[str, ...] | None = None
    extra: Variables = field(default=(), repr=False)
    stdin: Literal["pipe", "null"] = "null"
    line_limit: int = 64 * MIB
    spill_limit: int = 1024 * MIB
    stdin_limit: int = 64 * MIB
    window_lines: int = 1000
    window_bytes: int = 8 * MIB
    stderr_bytes: int = 16 * 1024
    stderr_lines: int = 200
    grace: float = 5.0
    kill_wait: float = 5.0
    start_timeout: float = 30.0
    mute_grace: float | None = None

    def __post_init__(self) -> None:
        _check_argv(self.argv)
        if self.cwd is not None:
            _check_text("cwd", self.cwd)
        if self.env is not None and self.inherit is not None:
            raise InvalidInput("inherit", self.inherit, "None when env is the whole environment")
        for name in self.inherit or ():
            _check_text("inherit", name)
        for option, variables in (("env", self.env or ()), ("extra", self.extra)):
            for name, value in variables:
                _check_variable(option, name, value)
        if self.stdin not in ("pipe", "null"):
            raise InvalidInput("stdin", self.stdin, "'pipe' or 'null'")
        for option in _SIZES:
            _check_size(option, getattr(self, option))
        for option in _SECONDS:
            _check_seconds(option, getattr(self, option))
        if self.mute_grace is not None:
            _check_seconds("mute_grace", self.mute_grace)

    @classmethod
    def of(
        cls,
        command: str | Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        extra: Mapping[str, str] | None = None,
        inherit: Iterable[str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        **options: Unpack[Options],
    ) -> PortSpec:
        """Make a spec from a command line, or from a program and its arguments.

        Args:
            command: a line, split as a shell would (no shell runs), or a sequence.
            env: the whole environment, or None.
            extra: variables to add.
            inherit: names of our variables to pass on, or None for all.
            cwd: the directory to run in.
            options: the other attributes of `PortSpec`.

        Returns:
            The spec.

        Raises:
            InvalidInput: an argument is wrong, or an option is not known.
        """
        known = {each.name for each in fields(cls)}
        for name, value in options.items():
            if name not in known:
                raise InvalidInput(name, value, f"one of {', '.join(sorted(known))}")
        return cls(
            argv=_split(command),
            env=None if env is None else _pairs("env", env),
            extra=_pairs("extra", extra or {}),
            inherit=None if inherit is None else _names(inherit),
            cwd=None if cwd is None else os.fspath(cwd),
            **options,
        )

    def environment(self, ours: Mapping[str, str], marker: str) -> dict[str, str]:
        """Return the environment that the program gets.

        Args:
            ours: the environment of this process.
            marker: the word that marks this port's processes.

        Returns:
            The variables, with `BEAM_OWNER` holding the marker after those of the owners above us.
        """
        if self.env is not None:
            result = dict(self.env)
        elif self.inherit is None:
            result = dict(ours)
        else:
            result = {name: ours[name] for name in ours if _passes(name, self.inherit)}
        result.update(self.extra)
        result[OWNER_VARIABLE] = f"{ours.get(OWNER_VARIABLE, '')} {marker}".strip()
        return result


_SIZES = (
    "line_limit",
    "spill_limit",
    "stdin_limit",
    "window_lines",
    "window_bytes",
    "stderr_bytes",
    "stderr_lines",
)
_SECONDS = ("grace", "kill_wait", "start_timeout")


def _split(command: str | Sequence[str]) -> tuple[str, ...]:
    if not isinstance(command, str):
        return tuple(command)
    try:
        argv = tuple(shlex.split(command))
    except ValueError as error:
        raise InvalidInput("command", command, f"a command line ({error})") from None
    if not argv:
        raise InvalidInput("command", command, "a program and its arguments")
    return argv


def _pairs(option: str, variables: object) -> Variables:
    if not isinstance(variables, Mapping):
        raise InvalidInput(option, type(variables).__name__, "a mapping of names to text")
    return tuple(variables.items())


def _names(inherit: Iterable[str]) -> tuple[str, ...]:
    if isinstance(inherit, str):
        raise InvalidInput("inherit", inherit, "several names, not one text")
    return tuple(inherit)


def _passes(name: str, inherit: tuple[str, ...]) -> bool:
    return any(
        name.startswith(each[:-1]) if each.endswith("*") else name == each for each in inherit
    )


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def _check_argv(argv: object) -> None:
    if not isinstance(argv, tuple) or not argv or not argv[0]:
        raise InvalidInput("argv", argv, "a tuple of a program and its arguments")
    for word in argv:
        if not _is_text(word):
            raise InvalidInput("argv", word, "text that the system can encode, without NUL")


def _check_text(option: str, value: object) -> None:
    if not value or not _is_text(value):
        raise InvalidInput(option, value, "text that is not empty and has no NUL character")


def _check_variable(option: str, name: object, value: object) -> None:
    # The value may be a secret: an error names the variable and never shows what it holds.
    if not isinstance(name, str) or not name or "=" in name or not _is_text(name):
        raise InvalidInput(option, name, "a variable's name, without '=' and NUL")
    if not _is_text(value):
        raise InvalidInput(f"{option}[{name}]", type(value).__name__, "text without NUL")
    if name == OWNER_VARIABLE:
        raise InvalidInput(option, name, f"no {OWNER_VARIABLE}, which the port sets itself")


def _check_size(option: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidInput(option, value, "a whole number of at least 1")


def _check_seconds(option: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise InvalidInput(option, value, "seconds, 0 or more, finite")
