"""The configuration of `beam run --config FILE`, in TOML; and how a backend is named.

    [backends.reviewer]
    command = "python reviewer.py --strict"     # or: function = "package.module:name"
    tools = ["package.tools:read_file"]         # functions that its agents may call
    env = { REVIEW_LEVEL = "2" }                # command only
    threads = 8                                 # function only
    process = true                              # function only: in an OS process of its own

Every key is one of these; an unknown one is refused. `--backend` takes such names, and
`function:MODULE:NAME` and `command:COMMAND LINE` without any configuration.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from beam.backends import command, function
from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.backends.backend import Backend

__all__ = ["Chosen", "choose_backends"]


class _Backend(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    command: str | None = Field(default=None, min_length=1)
    function: str | None = Field(default=None, min_length=1)
    tools: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    threads: int | None = Field(default=None, ge=1)
    process: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> _Backend:
        if (self.command is None) == (self.function is None):
            raise ValueError("either command or function")
        if self.command is None and (self.env or self.cwd):
            raise ValueError("env and cwd belong to command")
        if self.function is None and (self.threads is not None or self.process):
            raise ValueError("threads and process belong to function")
        return self


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    backends: dict[str, _Backend] = {}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The backends of one `beam run`.

    Attributes:
        backends: by name, in the order in which they were named.
        tools: the functions that each backend's agents may call.
    """

    backends: dict[str, Backend] = field(default_factory=dict)
    tools: dict[str, tuple[Callable[..., Any], ...]] = field(default_factory=dict)


def choose_backends(names: list[str], config: Path | None) -> Chosen:
    """Return the backends that the command line names.

    Raises:
        InvalidInput: one is unknown or cannot be made, or the file is not what it must be.
    """
    known = _read(config) if config is not None else _Config()
    chosen = Chosen()
    for text in names:
        name, found = _named(text, known)
        if name in chosen.backends:
            raise InvalidInput("--backend", text, "each backend once")
        chosen.backends[name] = _backend(name, found)
        chosen.tools[name] = tuple(_load("tools", one) for one in found.tools)
    return chosen


def _named(text: str, known: _Config) -> tuple[str, _Backend]:
    kind, _, rest = text.partition(":")
    if kind == "command" and rest:
        return text, _Backend(command=rest)
    if kind == "function" and rest:
        return text, _Backend(function=rest)
    if text in known.backends:
        return text, known.backends[text]
    names = ", ".join(sorted(known.backends)) or "there is none without --config"
    raise InvalidInput(
        "--backend",
        text,
        f"function:MODULE:NAME, command:COMMAND LINE, or a name of the configuration ({names})",
    )


def _backend(name: str, found: _Backend) -> Backend:
    made: Backend
    if found.command is not None:
        made = command(found.command, extra=found.env, cwd=found.cwd)
    else:
        assert found.function is not None
        options: dict[str, Any] = {"process": found.process}
        if found.threads is not None:
            options["max_threads"] = found.threads
        made = function(_load(f"--backend {name}", found.function), **options)
    made.check()
    return made


def _load(where: str, path: str) -> Callable[..., Any]:
    """Import `MODULE:NAME`, from the working directory too, as `python -m` does."""
    module, _, name = path.rpartition(":")
    if not module or not name:
        raise InvalidInput(where, path, "MODULE:NAME")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise InvalidInput(where, path, f"a function that can be imported ({error!r})") from error
    if not callable(found):
        raise InvalidInput(where, path, "a function")
    loaded: Callable[..., Any] = found
    return loaded


def _read(path: Path) -> _Config:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("--config", str(path), f"a file to read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput("--config", str(path), f"TOML ({error})") from error
    try:
        return _Config.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        known = "command, function, tools, env, cwd, threads, process"
        raise InvalidInput(
            f"{path}: {where}", first.get("input"), f"{first['msg']} (keys: {known})"
        ) from error
