"""`claude`: Claude Code as a backend, on its official client.

    >>> backend = claude(model="sonnet", permission_mode="plan")
    >>> backend.kind, backend.model
    ('claude', 'sonnet')
    >>> claude(retries=-1)
    Traceback (most recent call last):
    ...
    beam.errors.InvalidInput: retries: expected a whole number, 0 or more, got -1

It needs the extra `claude` (`pip install 'beam-fleet[claude]'`), which brings the program along.
Each session has a program of its own, started by `Ports` (`claude_program` says how) and spoken to
by a driver (`claude_driver`).

Who pays: the login that the program has (`claude` and `/login`, once), or credentials in our
environment (`ANTHROPIC_API_KEY`, `CLAUDE_CODE_OAUTH_TOKEN`, ...), or in a `secret_file`. With the
program's own login its configuration is the user's, in `~/.claude`; with the others it is apart
from it, unless `config_dir` says where.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.agent_backend import AgentBackend
from beam.backends.backend import WINDOW
from beam.backends.claude_conversation import conversation_for, kept_in
from beam.backends.claude_messages import HOST_SERVER
from beam.backends.claude_program import (
    MODES,
    OWN_VARIABLES,
    QUIET,
    command_line,
    config_folder,
    with_config,
    with_servers,
)
from beam.backends.credentials import check_secret_file, environment, read_secrets
from beam.backends.turn_limits import MemoryLimits, TurnLimits
from beam.errors import InvalidInput
from beam.ports.spec import PortSpec

if TYPE_CHECKING:
    from beam.backends.agent_wire import Wire
    from beam.backends.backend import Opening
    from beam.backends.driver import Driver
    from beam.backends.talk import Talk

__all__ = ["ClaudeBackend", "claude"]

KEY = "ANTHROPIC_API_KEY"

LINE_LIMIT = 64 * 1024 * 1024

_PLACES = (".local/bin/claude", ".claude/local/claude")


@dataclass(frozen=True, kw_only=True)
class ClaudeBackend(AgentBackend):
    """Claude Code, configured; `claude` makes it, and says what its attributes mean."""

    kind: ClassVar[str] = "claude"
    tested: ClassVar[tuple[str, str]] = ("2.1.300", "2.2")

    model: str | None = None
    permission_mode: str | None = None
    cli_path: str | None = None
    config_dir: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    inherit: tuple[str, ...] = ()
    secret_file: str | None = None
    mcp_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    options: Mapping[str, str | None] = field(default_factory=dict)
    retries: int = 2

    def check(self) -> None:
        """Refuse what cannot work: no client, no program, no credentials in the secret file.

        Raises:
            InvalidInput: naming it.
        """
        if find_spec("claude_agent_sdk") is None:
            extra = "the extra claude: pip install 'beam-fleet[claude]'"
            raise InvalidInput("claude", "no claude-agent-sdk", extra)
        self.find()
        check_secret_file(self.secret_file, bare=KEY)

    def find(self) -> str:
        """Return the path of the program: the one that was named, the client's, or the user's.

        Raises:
            InvalidInput: there is none.
        """
        if self.cli_path is not None:
            found = shutil.which(self.cli_path)
            if found is None:
                raise InvalidInput("cli_path", self.cli_path, "a program that can be run")
            return os.path.abspath(found)
        client = find_spec("claude_agent_sdk")
        folders = list(client.submodule_search_locations or ()) if client is not None else []
        places = [Path(folder) / "_bundled" / "claude" for folder in folders]
        places += [Path(path) for path in (shutil.which("claude"),) if path]
        places += [Path.home() / place for place in _PLACES]
        for place in places:
            if os.access(place, os.X_OK) and place.is_file():
                return str(place)
        raise InvalidInput("cli_path", None, "the path of Claude Code's program: none was found")

    def program(self, opening: Opening) -> PortSpec:
        """Return how to start the program for a session; see `spec_for`."""
        # Here, on a thread that may block: the client takes a second to import, once.
        import_module("beam.backends.claude_driver")
        return self.spec_for(opening)

    def spec_for(self, opening: Opening) -> PortSpec:
        """Return how to start the program for a session, in its conversation if it still has it.

        The session's own options that mean something here: `fork`, the id of a conversation to
        begin with a copy of, and `system`, text to append to the program's system prompt. Blocks,
        and writes the file for MCP servers, if there are any.
        """
        variables = self.environment()
        folder = config_folder(variables)
        fork = str(opening.options.get("fork") or "")
        conversation = conversation_for(folder, resume=opening.resume, fork=fork)
        options = dict(self.options)
        if model := opening.model or self.model:
            options["model"] = model
        if mode := MODES.get(opening.permission_mode or self.permission_mode or ""):
            options["permission-mode"] = mode
        if isinstance(system := opening.options.get("system"), str):
            options["append-system-prompt"] = system
        servers = {**self.mcp_servers, **opening.mcp_servers}
        if said := with_servers(folder, conversation.id, servers, host=bool(opening.tools)):
            options["mcp-config"] = said
        if opening.tools:
            allowed = (options.get("allowedTools"), f"mcp__{HOST_SERVER}")
            options["allowedTools"] = ",".join(filter(None, allowed))
        return PortSpec.of(
            command_line(self.find(), conversation, options),
            env={**variables, "PWD": opening.cwd or os.getcwd()},
            cwd=opening.cwd or None,
            stdin="pipe",
            line_limit=LINE_LIMIT,
            stdin_limit=2 * LINE_LIMIT,
            window_lines=WINDOW,
            grace=self.grace,
        )

    def driver(self, talk: Talk, wire: Wire | None) -> Driver:
        """Return the driver of a session's program."""
        # Imported here, for only this needs the client.
        from beam.backends.claude_driver import ClaudeDriver  # noqa: PLC0415

        assert wire is not None
        servers = {**self.mcp_servers, **talk.opening.mcp_servers}
        return ClaudeDriver(talk, wire, self.conversations, servers)

    def environment(self) -> dict[str, str]:
        """Return the environment of the programs. Blocks, if there is a secret file.

        Raises:
            InvalidInput: the secret file cannot be used.
        """
        ours = environment(os.environ, own=OWN_VARIABLES, inherit=self.inherit)
        # Of a program that we may be running in ourselves.
        ours.pop("CLAUDECODE", None)
        own = {} if self.config_dir is None else {"CLAUDE_CONFIG_DIR": self.config_dir}
        secrets = read_secrets(self.secret_file, bare=KEY)
        retries = {"CLAUDE_CODE_MAX_RETRIES": str(self.retries)}
        return with_config({**ours, **QUIET, **retries, **own, **secrets, **self.env})

    def conversations(self, cwd: str | None = None) -> list[dict[str, Any]]:
        """Return the conversations that the program has kept, the newest first. Blocks.

        Each has `id`, which a session's option `fork` takes, `title`, `cwd`, and `updated_at` in
        Unix milliseconds. A session says the same: `session.conversations()`.

        Args:
            cwd: only those of this folder; None for all.
        """
        return kept_in(config_folder(self.environment()), cwd)


def claude(
    *,
    model: str | None = None,
    permission_mode: str | None = None,
    cli_path: str | os.PathLike[str] | None = None,
    config_dir: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    inherit: Iterable[str] = (),
    secret_file: str | os.PathLike[str] | None = None,
    mcp_servers: Mapping[str, Mapping[str, Any]] | None = None,
    system_prompt: str | None = None,
    append_system_prompt: str | None = None,
    allowed_tools: Iterable[str] = (),
    disallowed_tools: Iterable[str] = (),
    setting_sources: Iterable[str] | None = None,
    max_turns: int | None = None,
    max_budget_usd: float | None = None,
    effort: str | None = None,
    retries: int = 2,
    options: Mapping[str, str | None] | None = None,
    turn: TurnLimits | None = None,
    memory: MemoryLimits | None = None,
    shutdown: float = 2.0,
    grace: float = 0.5,
) -> ClaudeBackend:
    """Return a backend whose agents are Claude Code's programs.

    Args:
        model: a model's name or alias; None for the program's own choice.
        permission_mode: `default`, `accept_edits`, `plan`, `dont_ask`, `bypass_permissions` or
            `auto`; None for the program's own. It can be changed to `bypass_permissions` later only
            if it was that from the beginning: that is the program's rule.
        cli_path: the program; None for the one that the client brings, or else the user's.
        config_dir: the folder of its configuration and conversations; see the module.
        env: variables to add to its environment; they may be secrets.
        inherit: names of variables with credentials of others that it may have too, such as
            `GITHUB_TOKEN`; `*` at the end for a prefix.
        secret_file: a file with an API key, or lines `NAME=value`; read when a program is started.
        mcp_servers: MCP servers for all its sessions, by name.
        system_prompt: in the place of the program's own.
        append_system_prompt: after the program's own.
        allowed_tools: tools that may run unasked, by the program's rules (`Bash(git log *)`).
        disallowed_tools: tools that may not run.
        setting_sources: which settings count: of `user`, `project`, `local`; None for all.
        max_turns: how often the model may be asked in one query.
        max_budget_usd: dollars that one program may spend.
        effort: `low`, `medium`, `high`, `xhigh` or `max`.
        retries: how often the program itself asks a model again that was busy or failed.
        options: other options of the program, without their dashes, and their values; None for one
            that has no value.
        turn: the deadlines of a turn.
        memory: the limits of the memory of a program's tree.
        shutdown: seconds that a program has to end by itself.
        grace: seconds from TERM to KILL.

    Raises:
        InvalidInput: an argument is not what it must be.
    """
    if permission_mode is not None and permission_mode not in MODES:
        raise InvalidInput("permission_mode", permission_mode, f"one of {', '.join(MODES)}")
    for name in options or {}:
        if name.startswith("-"):
            raise InvalidInput("options", name, "the name of an option without its dashes")
    if retries < 0:
        raise InvalidInput("retries", retries, "a whole number, 0 or more")
    said = {
        "system-prompt": system_prompt,
        "append-system-prompt": append_system_prompt,
        "allowedTools": ",".join(allowed_tools) or None,
        "disallowedTools": ",".join(disallowed_tools) or None,
        "setting-sources": None if setting_sources is None else ",".join(setting_sources),
        "max-turns": max_turns,
        "max-budget-usd": max_budget_usd,
        "effort": effort,
    }
    known = {name: str(value) for name, value in said.items() if value is not None}
    return ClaudeBackend(
        model=model,
        permission_mode=permission_mode,
        cli_path=None if cli_path is None else os.fspath(cli_path),
        config_dir=_absolute(config_dir),
        env=dict(env or {}),
        inherit=tuple(inherit),
        secret_file=_absolute(secret_file),
        mcp_servers=dict(mcp_servers or {}),
        options={**known, **(options or {})},
        retries=retries,
        turn=turn or TurnLimits(),
        memory=memory,
        shutdown=shutdown,
        grace=grace,
    )


def _absolute(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.path.abspath(os.path.expanduser(path))
