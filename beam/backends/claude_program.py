"""How Claude Code's program is started: its command line and its environment.

    >>> from beam.backends.claude_conversation import Conversation
    >>> line = command_line("claude", Conversation("2f0c", resumes=True), {"model": "opus"})
    >>> line[-2:]
    ('--model=opus', '--resume=2f0c')

The words are those of the program's own `--help`. A value is bound to its option by `=`, so that
none can be taken for an option. Nothing secret is in them: what MCP servers are given is in a file
of the session's own, which is removed when the program has read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beam.backends.claude_messages import HOST_SERVER
from beam.errors import InvalidInput

if TYPE_CHECKING:
    from beam.backends.claude_conversation import Conversation

__all__ = [
    "MODES",
    "OWN_VARIABLES",
    "QUIET",
    "command_line",
    "config_folder",
    "servers_file",
    "with_config",
    "with_servers",
]

MODES: Mapping[str, str] = {
    "default": "default",
    "accept_edits": "acceptEdits",
    "acceptEdits": "acceptEdits",
    "bypass_permissions": "bypassPermissions",
    "bypassPermissions": "bypassPermissions",
    "plan": "plan",
    "dont_ask": "dontAsk",
    "dontAsk": "dontAsk",
    "auto": "auto",
}
"""Permission modes by our words and by the program's, as the program has them."""

OWN_VARIABLES = ("ANTHROPIC_*", "CLAUDE_*")
"""The variables with credentials that are the program's own."""

QUIET: Mapping[str, str] = {
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_BUG_COMMAND": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_FEEDBACK_SURVEY": "1",
    # It speaks when it is asked, and not because something in the background has ended.
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_DISABLE_CRON": "1",
    "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
}
"""What the program is told by its environment: no updates, no telemetry, no work of its own."""


_SPEAKS = (
    "--print",
    "--verbose",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--include-partial-messages",
    "--permission-prompt-tool=stdio",
)


def command_line(
    program: str, conversation: Conversation, options: Mapping[str, str | None]
) -> tuple[str, ...]:
    """Return the program and its arguments.

    Args:
        program: its path.
        conversation: which one to take up.
        options: other options, without their dashes, and their values; None for one without.
    """
    said = [
        f"--{name}" if value is None else f"--{name}={value}" for name, value in options.items()
    ]
    return (program, *_SPEAKS, *said, *conversation.options())


_KEYS = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
)


def with_config(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with a configuration folder of our own, if it should have one.

    It should if the credentials are in the environment and nobody has said a folder. Without such
    credentials the folder is the user's, for there is the login.

    Args:
        environment: what the program gets.
    """
    said = environment.get("CLAUDE_CONFIG_DIR")
    if said or not any(environment.get(name) for name in _KEYS):
        return dict(environment)
    state = environment.get("XDG_STATE_HOME") or _home(environment) / ".local" / "state"
    return {**environment, "CLAUDE_CONFIG_DIR": str(Path(state) / "beam" / "claude")}


def config_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the program's configuration and its conversations.

    Args:
        environment: what the program gets.
    """
    said = environment.get("CLAUDE_CONFIG_DIR")
    return Path(said) if said else _home(environment) / ".claude"


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or Path.home())


def with_servers(
    folder: Path, name: str, servers: Mapping[str, Mapping[str, Any]], *, host: bool
) -> str:
    """Return the value of the option for MCP servers, empty for none. May write a file.

    Args:
        folder: where a file may be written.
        name: its name.
        servers: the servers, each as the program's configuration files have it.
        host: whether the session has tools of its own.

    Raises:
        InvalidInput: a server has the name of the session's own.
    """
    if HOST_SERVER in servers:
        raise InvalidInput("mcp_servers", HOST_SERVER, "another name: this one is the session's")
    # Tools that were handed to a session are offered to the model at once, not when it looks.
    known = {each: {"alwaysLoad": True, **server} for each, server in servers.items()}
    if host:
        known[HOST_SERVER] = {"type": "sdk", "name": HOST_SERVER, "alwaysLoad": True}
    text = json.dumps({"mcpServers": known})
    if not servers:
        return text if host else ""
    path = folder / "mcp" / f"{name}.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return str(path)


def servers_file(line: Iterable[str]) -> Path | None:
    """Return the file that `with_servers` has written for this command line, if it has."""
    for word in line:
        value = word.removeprefix("--mcp-config=")
        if value != word and not value.startswith("{"):
            return Path(value)
    return None
