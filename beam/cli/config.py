"""The configuration of `beam run --config FILE`, in TOML; and how a backend is named.

    [backends.careful]
    agent = "claude"                            # claude, codex, gemini, opencode, copilot, acp
    options = { model = "opus" }                # what its function in beam.backends takes

    [backends.local]
    provider = "chat"                           # chat, messages, responses: of beam.providers
    options = { model = "llama3.2", base_url = "http://localhost:11434/v1" }

    [backends.reviewer]
    command = "python reviewer.py --strict"     # or: function = "package.module:name"
    tools = ["package.tools:read_file"]         # functions that its agents may call
    env = { REVIEW_LEVEL = "2" }                # command only
    threads = 8                                 # function only
    process = true                              # function only: in an OS process of its own

Every key is one of these; an unknown one is refused. `--backend` takes such names; and without any
configuration `claude`, `codex`, `gemini`, `opencode`, `copilot`, with the login that the program
has, `acp:COMMAND LINE`, `function:MODULE:NAME` and `command:COMMAND LINE`.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from beam import backends
from beam.backends import command, function
from beam.backends.turn_limits import MemoryLimits, TurnLimits
from beam.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.backends.backend import Backend

__all__ = ["AGENTS", "Chosen", "choose_backends"]

AGENTS = ("claude", "codex", "gemini", "opencode", "copilot")
"""The agents that are named by a word: functions of `beam.backends`."""

PROVIDERS = ("chat", "messages", "responses")
"""The providers of models: functions of the modules of these names in `beam.providers`."""


class _Backend(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    command: str | None = Field(default=None, min_length=1)
    function: str | None = Field(default=None, min_length=1)
    agent: str | None = Field(default=None, min_length=1)
    provider: str | None = Field(default=None, min_length=1)
    options: dict[str, Any] = {}
    tools: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    threads: int | None = Field(default=None, ge=1)
    process: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> _Backend:
        kinds = (self.command, self.function, self.agent, self.provider)
        if len([one for one in kinds if one is not None]) != 1:
            raise ValueError("one of command, function, agent and provider")
        if self.agent is None and self.provider is None and self.options:
            raise ValueError("options belong to agent and provider")
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
    if kind == "acp" and rest:
        return text, _Backend(agent="acp", options={"command": rest})
    if text in known.backends:
        return text, known.backends[text]
    if text in AGENTS:
        return text, _Backend(agent=text)
    names = ", ".join(sorted(known.backends)) or "there is none without --config"
    raise InvalidInput(
        "--backend",
        text,
        f"one of {', '.join(AGENTS)}; acp:COMMAND LINE, function:MODULE:NAME, "
        f"command:COMMAND LINE; or a name of the configuration ({names})",
    )


def _backend(name: str, found: _Backend) -> Backend:
    made: Backend
    if found.command is not None:
        made = command(found.command, extra=found.env, cwd=found.cwd)
    elif found.agent is not None:
        if found.agent not in (*AGENTS, "acp"):
            raise InvalidInput(f"{name}.agent", found.agent, f"one of {', '.join(AGENTS)}, acp")
        made = _made(name, getattr(backends, found.agent), found.options)
    elif found.provider is not None:
        if found.provider not in PROVIDERS:
            known = ", ".join(PROVIDERS)
            raise InvalidInput(f"{name}.provider", found.provider, f"one of {known}")
        # The agent loop and its providers are not imported by every start of the command.
        module = importlib.import_module(f"beam.providers.{found.provider}")
        loop = importlib.import_module("beam.sessions.loop_backend")
        made = loop.provider_backend(_made(name, getattr(module, found.provider), found.options))
    else:
        assert found.function is not None
        options: dict[str, Any] = {"process": found.process}
        if found.threads is not None:
            options["max_threads"] = found.threads
        made = function(_load(f"--backend {name}", found.function), **options)
    made.check()
    return made


def _made(name: str, make: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Make an agent's backend, or a provider; the function itself checks what the options say."""
    known = inspect.signature(make).parameters
    given = {}
    for option, value in options.items():
        if option not in known:
            raise InvalidInput(f"{name}.options", option, f"one of {', '.join(known)}")
        limits = _LIMITS.get(option)
        given[option] = limits(**value) if limits and isinstance(value, dict) else value
    try:
        return make(**given)
    except TypeError as error:
        raise InvalidInput(f"{name}.options", sorted(options), f"other options ({error})") from None


_LIMITS: dict[str, Callable[..., Any]] = {"turn": TurnLimits, "memory": MemoryLimits}


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
        known = "command, function, agent, provider, options, tools, env, cwd, threads, process"
        raise InvalidInput(
            f"{path}: {where}", first.get("input"), f"{first['msg']} (keys: {known})"
        ) from error
