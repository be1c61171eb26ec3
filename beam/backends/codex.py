"""`codex`: OpenAI's Codex as a backend, on its own client (`openai-codex`, extra `codex`).

    from beam.backends import codex

    fleet = beam.Fleet(backends={"codex": codex()})

Without arguments the program is the one that the extra brings, with the user's own login and
configuration; who is not logged in pays with `OPENAI_API_KEY`. Each session has a
`codex app-server` of its own, started and ended by `Ports`, and a thread in it, which is resumed by
its id when the program has ended. Every approval goes to the session: nothing is accepted that
nobody has allowed, and no model decides in the user's place. Its updater, its analytics, its
plugins and its goals are off, and its commands do not get its credentials.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.agent_backend import AgentBackend
from beam.backends.codex_settings import APPROVALS, KEY, SANDBOXES, Policy, mcp_config
from beam.backends.credentials import check_secret_file, environment, read_secrets
from beam.backends.turn_limits import MemoryLimits, TurnLimits
from beam.errors import InvalidInput
from beam.ports.spec import PortSpec

if TYPE_CHECKING:
    from beam.backends.agent_wire import Wire
    from beam.backends.backend import Opening
    from beam.backends.driver import Driver
    from beam.backends.talk import Talk

__all__ = ["CodexBackend", "codex"]

OWN = ("OPENAI_*", "CODEX_*", "AZURE_OPENAI_*")
"""The credentials that are Codex's, among those in our environment."""

QUIET = (
    "analytics.enabled=false",
    "check_for_update_on_startup=false",
    # It is a copy of its environment on the disk, and of a killed program it stays there.
    "features.shell_snapshot=false",
    # What has KEY, SECRET or TOKEN in its name is not for the commands that a model makes up.
    "shell_environment_policy.ignore_default_excludes=false",
    # With a goal Codex takes turns that nobody has asked for.
    "features.goals=false",
    # They are fetched at each start; where they cannot be, that holds up the program's end.
    "features.plugins=false",
)
"""What is off, unless `config_overrides` says otherwise."""


@dataclass(frozen=True, kw_only=True)
class CodexBackend(AgentBackend):
    """Codex; `codex` makes it, and says what its attributes are."""

    kind: ClassVar[str] = "codex"

    tested: ClassVar[tuple[str, str]] = ("0.163", "0.170")

    model: str | None = None
    policy: Policy = field(default_factory=lambda: Policy("on-request", "read-only"))
    effort: str | None = None
    instructions: str | None = None
    codex_bin: str | None = None
    config_overrides: tuple[str, ...] = ()
    home: str | None = None
    # Secrets may be in these.
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    inherit: tuple[str, ...] = ()
    secret_file: str | None = None
    mcp_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    def check(self) -> None:
        """Refuse what cannot work; imports the library, which takes a second.

        Raises:
            InvalidInput: the extra is not installed, the program is not there or cannot be run,
                or the file of secrets cannot be read.
        """
        if importlib.util.find_spec("openai_codex") is None:
            raise InvalidInput("backend", "codex", "the extra: pip install 'beam-fleet[codex]'")
        importlib.import_module("beam.backends.codex_client")
        self.find()
        check_secret_file(self.secret_file, bare=KEY)

    def find(self) -> str:
        """Return the path of the program: the one that was named, or the library's.

        Raises:
            InvalidInput: it is not there, or cannot be run.
        """
        if self.codex_bin is None and importlib.util.find_spec("codex_cli_bin") is None:
            raise InvalidInput("codex_bin", None, "the extra: pip install 'beam-fleet[codex]'")
        program = self._program()
        if shutil.which(program) is None:
            raise InvalidInput("codex_bin", program, "a program that can be run")
        return program

    def program(self, opening: Opening) -> PortSpec:
        """Return the app-server of a session; no secret is in its arguments."""
        overrides = (*QUIET, *self.config_overrides)
        arguments = [word for each in overrides for word in ("--config", each)]
        return PortSpec.of(
            [self._program(), *arguments, "app-server", "--listen", "stdio://"],
            env=self._environment(),
            cwd=opening.cwd or None,
            stdin="pipe",
            grace=self.grace,
        )

    def driver(self, talk: Talk, wire: Wire | None) -> Driver:
        """Return what speaks with the app-server of a session."""
        from beam.backends.codex_driver import CodexDriver  # noqa: PLC0415 - see there

        return CodexDriver(self, talk, wire)

    def _program(self) -> str:
        return self.codex_bin or str(_bundled("bundled_codex_path"))

    def _environment(self) -> dict[str, str]:
        # Its last words are quoted where its end is told.
        result = {"NO_COLOR": "1"} | environment(os.environ, own=OWN, inherit=self.inherit)
        result |= read_secrets(self.secret_file, bare=KEY)
        result |= {} if self.home is None else {"CODEX_HOME": self.home}
        result |= self.env
        if self.codex_bin is None and (tools := _bundled("bundled_path_dir")) is not None:
            result["PATH"] = os.pathsep.join([str(tools), result.get("PATH", os.defpath)])
        return result


def codex(
    *,
    model: str | None = None,
    approval_policy: str = "on-request",
    sandbox: str = "read-only",
    effort: str | None = None,
    instructions: str | None = None,
    codex_bin: str | os.PathLike[str] | None = None,
    config_overrides: Sequence[str] | Mapping[str, Any] = (),
    home: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    inherit: Sequence[str] = (),
    secret_file: str | os.PathLike[str] | None = None,
    mcp_servers: Mapping[str, Mapping[str, Any]] | None = None,
    turn: TurnLimits | None = None,
    memory: MemoryLimits | None = None,
) -> CodexBackend:
    """Return a backend whose agents are Codex.

    Args:
        model: the model; None for the user's own choice. A session's and a query's count more.
        approval_policy: when it asks: `"untrusted"`, `"on-request"`, `"never"`; of the permission
            mode `default` (`beam.backends.codex_settings` has the others).
        sandbox: what it may do unasked: `"read-only"`, `"workspace-write"`,
            `"danger-full-access"`; likewise.
        effort: how much it reasons, in the model's words; a query's param `effort` counts more.
        instructions: what every thread is told as its developer's word; a session's `system` is
            told beside it.
        codex_bin: the program; None for the one that the extra brings.
        config_overrides: `key=value` with values in TOML, as of `codex --config`, or a mapping.
            They are on the command line, which everybody can read: no secrets.
        home: a folder for its login, configuration and threads; None for the user's own.
        env: variables to add to its environment.
        inherit: the names of credentials in our environment that it gets, `*` at the end for a
            prefix, beside OpenAI's own; of what is no credential it gets all.
        secret_file: a file of `NAME=value` lines that are added to its environment, or of a lone
            API key; nobody but its owner may read it.
        mcp_servers: MCP servers, by name, as in `SessionOptions.mcp_servers`, whose count more.
        turn: the deadlines of a turn.
        memory: the limits of the memory of its tree.

    Raises:
        InvalidInput: an argument is not what it must be.
    """
    if approval_policy not in APPROVALS:
        raise InvalidInput("approval_policy", approval_policy, f"one of {', '.join(APPROVALS)}")
    if sandbox not in SANDBOXES:
        raise InvalidInput("sandbox", sandbox, f"one of {', '.join(SANDBOXES)}")
    servers = dict(mcp_servers or {})
    mcp_config(servers)
    return CodexBackend(
        model=model,
        policy=Policy(approval_policy, sandbox),
        effort=effort,
        instructions=instructions,
        codex_bin=_path(codex_bin),
        config_overrides=_overrides(config_overrides),
        home=_path(home),
        env=dict(env or {}),
        inherit=_names("inherit", inherit),
        secret_file=_path(secret_file),
        mcp_servers=servers,
        turn=turn or TurnLimits(),
        memory=memory,
    )


def _overrides(given: object) -> tuple[str, ...]:
    if isinstance(given, Mapping):
        return tuple(f"{name}={_toml(value)}" for name, value in given.items())
    words = _names("config_overrides", given)
    for word in words:
        if "=" not in word:
            raise InvalidInput("config_overrides", word, "key=value")
    return words


def _toml(value: object) -> str:
    """Return a value in TOML, as far as its inline forms go."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(name)}={_toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_toml(each) for each in value) + "]"
    if isinstance(value, str | bool | int | float):
        # JSON's texts, numbers and truth values are TOML's.
        return json.dumps(value)
    raise InvalidInput(
        "config_overrides", type(value).__name__, "text, a number, a list, a mapping"
    )


def _key(name: object) -> str:
    return json.dumps(str(name))


def _names(option: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InvalidInput(option, given, "several texts")
    for each in given:
        if not isinstance(each, str):
            raise InvalidInput(option, each, "text")
    return tuple(given)


def _path(given: str | os.PathLike[str] | None) -> str | None:
    return None if given is None else os.path.abspath(os.path.expanduser(given))


def _bundled(name: str) -> Path | None:
    """Return what the package of the program says of itself.

    Raises:
        InvalidInput: it is not installed.
    """
    if importlib.util.find_spec("codex_cli_bin") is None:
        raise InvalidInput("codex_bin", None, "a program, or the extra: beam-fleet[codex]")
    found = getattr(importlib.import_module("codex_cli_bin"), name, None)
    return None if found is None else found()
