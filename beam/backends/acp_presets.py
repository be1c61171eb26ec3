"""`gemini`, `opencode`, `copilot`: agents that speak ACP, with what each of them needs.

| | run as | its own folder (`home`) | what is off |
|---|---|---|---|
| Gemini CLI | `gemini --acp` | `GEMINI_CLI_HOME` | relaunch, telemetry, statistics, updates |
| OpenCode | `opencode acp --cwd DIR` | the four `XDG_*` folders | updates, fetching |
| Copilot | `copilot --acp` | `COPILOT_HOME` | updates, telemetry |

A `home` gets a folder for each session in it, by its id, which is kept: its conversations can be
taken up from there. Without one all sessions are in the user's own.

Gemini would start a second process of itself and leave it alive when the first is killed;
`GEMINI_CLI_NO_RELAUNCH` prevents that. Its statistics can only be turned off in its settings: in
those of the system, which are a file of ours, unless there are some already.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.acp import AcpBackend, options, words
from beam.backends.acp_dialect import COPILOT, GEMINI, OPENCODE, Dialect

if TYPE_CHECKING:
    from beam.backends.acp_watch import AcpWatch
    from beam.backends.backend import Opening
    from beam.backends.turn_limits import MemoryLimits, TurnLimits

__all__ = [
    "CopilotBackend",
    "GeminiBackend",
    "OpenCodeBackend",
    "copilot",
    "gemini",
    "opencode",
]

Command = str | Sequence[str]
Servers = Mapping[str, Mapping[str, Any]]

SYSTEM_SETTINGS = Path(__file__).with_name("gemini_settings.json")


@dataclass(frozen=True, kw_only=True)
class GeminiBackend(AcpBackend):
    """Gemini CLI; `gemini` makes it."""

    kind: ClassVar[str] = "gemini"
    tested: ClassVar[tuple[str, str]] = ("0.61", "0.62")
    dialect: ClassVar[Dialect] = GEMINI
    own: ClassVar[tuple[str, ...]] = ("GEMINI_*", "GOOGLE_*")
    key: ClassVar[str] = "GEMINI_API_KEY"

    def arguments(self, opening: Opening) -> list[str]:
        """Return the flag for the protocol, and the model."""
        model = opening.model or self.model
        return ["--acp", *(["-m", model] if model else [])]

    def settings(self, session_id: str) -> dict[str, str]:
        """Return what keeps it to one process, silent, and in its folder."""
        result = {
            "GEMINI_CLI_NO_RELAUNCH": "true",
            "GEMINI_TELEMETRY_ENABLED": "false",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        }
        if "GEMINI_CLI_SYSTEM_SETTINGS_PATH" not in os.environ:
            result["GEMINI_CLI_SYSTEM_SETTINGS_PATH"] = str(SYSTEM_SETTINGS)
        if self.home is not None:
            result["GEMINI_CLI_HOME"] = os.path.join(self.home, session_id)
        return result

    def prepare(self, opening: Opening) -> None:
        """Make its folder; with a key in the environment, let it log in by that."""
        if self.home is None:
            return
        variables = self.environment(opening.session_id)
        own = Path(variables["GEMINI_CLI_HOME"]) / ".gemini"
        _make(own)
        settings = own / "settings.json"
        if "GEMINI_API_KEY" in variables and not settings.exists():
            chosen = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
            settings.write_text(json.dumps(chosen), "utf-8")

    def watch(self, opening: Opening) -> AcpWatch:
        """Return what sees whether a conversation can be taken up."""
        from beam.backends.acp_watch import GeminiWatch  # noqa: PLC0415 - as in `acp`

        return GeminiWatch(_folder(self, opening, "GEMINI_CLI_HOME", ""))


@dataclass(frozen=True, kw_only=True)
class OpenCodeBackend(AcpBackend):
    """OpenCode; `opencode` makes it."""

    kind: ClassVar[str] = "opencode"
    tested: ClassVar[tuple[str, str]] = ("1.18", "1.19")
    dialect: ClassVar[Dialect] = OPENCODE
    own: ClassVar[tuple[str, ...]] = ("OPENCODE_*",)
    key: ClassVar[str] = "OPENCODE_API_KEY"

    def arguments(self, opening: Opening) -> list[str]:
        """Return the word for the protocol, and the session's folder."""
        return ["acp", "--cwd", self.folder(opening)]

    def settings(self, session_id: str) -> dict[str, str]:
        """Return what keeps it from fetching things, asking before it acts, and in its folder."""
        switches = ("AUTOUPDATE", "MODELS_FETCH", "DEFAULT_PLUGINS", "LSP_DOWNLOAD")
        result = {f"OPENCODE_DISABLE_{each}": "1" for each in switches}
        # OpenCode adds this to the user's own configuration, and it counts more.
        if "OPENCODE_CONFIG_CONTENT" not in os.environ:
            asking = {"bash": "ask", "edit": "ask"}
            quiet = {"autoupdate": False, "share": "disabled", "permission": asking}
            result["OPENCODE_CONFIG_CONTENT"] = json.dumps(quiet)
        if self.home is not None:
            own = os.path.join(self.home, session_id)
            result |= {f"XDG_{each.upper()}_HOME": os.path.join(own, each) for each in _XDG}
        return result

    def prepare(self, opening: Opening) -> None:
        """Make its folders."""
        if self.home is not None:
            for each in _XDG:
                _make(Path(self.home) / opening.session_id / each)


@dataclass(frozen=True, kw_only=True)
class CopilotBackend(AcpBackend):
    """GitHub Copilot CLI; `copilot` makes it."""

    kind: ClassVar[str] = "copilot"
    tested: ClassVar[tuple[str, str]] = ("1.0.102", "1.1")
    dialect: ClassVar[Dialect] = COPILOT
    own: ClassVar[tuple[str, ...]] = ("COPILOT_*", "GITHUB_*", "GH_*")
    key: ClassVar[str] = "COPILOT_GITHUB_TOKEN"

    def arguments(self, opening: Opening) -> list[str]:
        """Return the flag for the protocol, and those that keep it silent."""
        return ["--acp", "--no-auto-update", "--disable-client-telemetry"]

    def settings(self, session_id: str) -> dict[str, str]:
        """Return what keeps it in its folder, and its model."""
        result = {} if self.home is None else {"COPILOT_HOME": os.path.join(self.home, session_id)}
        return {**result, **({"COPILOT_MODEL": self.model} if self.model else {})}

    def variables(self, opening: Opening) -> dict[str, str]:
        """Return the session's model: it changes none later."""
        return {"COPILOT_MODEL": opening.model} if opening.model else {}

    def first_model(self, opening: Opening) -> str:
        """Return the model that it is started with."""
        return opening.model or self.environment(opening.session_id).get("COPILOT_MODEL", "")

    def prepare(self, opening: Opening) -> None:
        """Make its folder."""
        if self.home is not None:
            _make(Path(self.home) / opening.session_id)

    def watch(self, opening: Opening) -> AcpWatch:
        """Return what reads in its journal how a turn has ended."""
        from beam.backends.acp_watch import CopilotWatch  # noqa: PLC0415 - as in `acp`

        folder = _folder(self, opening, "COPILOT_HOME", ".copilot")
        return CopilotWatch(folder, self.dialect.error_prefix)


_XDG = ("data", "config", "state", "cache")


def gemini(
    *,
    command: Command = "gemini",
    model: str | None = None,
    permission_mode: str | None = None,
    auth_method: str | None = None,
    home: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    inherit: Sequence[str] = (),
    secret_file: str | os.PathLike[str] | None = None,
    mcp_servers: Servers | None = None,
    turn: TurnLimits | None = None,
    memory: MemoryLimits | None = None,
) -> GeminiBackend:
    """Return a backend whose agents are Gemini CLI.

    Args:
        command: the program, with arguments of yours before ours.
        model: as of `acp`; so are those that are not here.
        permission_mode: likewise.
        auth_method: likewise.
        home: a folder for its login, configuration and conversations; None for the user's own.
        env: likewise.
        inherit: likewise, beside `GEMINI_*` and `GOOGLE_*`.
        secret_file: likewise; a lone value is `GEMINI_API_KEY`.
        mcp_servers: likewise.
        turn: likewise.
        memory: likewise.

    Raises:
        InvalidInput: an argument is not what it must be.
    """
    given = {
        "model": model, "permission_mode": permission_mode, "auth_method": auth_method,
        "home": home, "env": env, "inherit": inherit, "secret_file": secret_file,
        "mcp_servers": mcp_servers, "turn": turn, "memory": memory,
    }  # fmt: skip
    return GeminiBackend(command=words(command), name="gemini", **options(**given))


def opencode(
    *,
    command: Command = "opencode",
    model: str | None = None,
    permission_mode: str | None = None,
    auth_method: str | None = None,
    home: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    inherit: Sequence[str] = (),
    secret_file: str | os.PathLike[str] | None = None,
    mcp_servers: Servers | None = None,
    turn: TurnLimits | None = None,
    memory: MemoryLimits | None = None,
) -> OpenCodeBackend:
    """Return a backend whose agents are OpenCode.

    Args:
        command: the program, with arguments of yours before ours.
        model: as of `acp`, as OpenCode writes it: `provider/model`.
        permission_mode: as of `acp`; so are those that are not here.
        auth_method: likewise.
        home: a folder for its login, configuration and conversations; None for the user's own.
        env: likewise. An `OPENCODE_CONFIG_CONTENT` replaces ours, which has it ask before it runs
            a command or edits a file.
        inherit: likewise, beside `OPENCODE_*`: name the key of the provider that it is to use.
        secret_file: likewise; a lone value is `OPENCODE_API_KEY`.
        mcp_servers: likewise.
        turn: likewise.
        memory: likewise. An OpenCode of today takes 0.6 GB.

    Raises:
        InvalidInput: an argument is not what it must be.
    """
    given = {
        "model": model, "permission_mode": permission_mode, "auth_method": auth_method,
        "home": home, "env": env, "inherit": inherit, "secret_file": secret_file,
        "mcp_servers": mcp_servers, "turn": turn, "memory": memory,
    }  # fmt: skip
    return OpenCodeBackend(command=words(command), name="opencode", **options(**given))


def copilot(
    *,
    command: Command = "copilot",
    model: str | None = None,
    permission_mode: str | None = None,
    auth_method: str | None = None,
    home: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
    inherit: Sequence[str] = (),
    secret_file: str | os.PathLike[str] | None = None,
    mcp_servers: Servers | None = None,
    turn: TurnLimits | None = None,
    memory: MemoryLimits | None = None,
) -> CopilotBackend:
    """Return a backend whose agents are GitHub Copilot CLI.

    Args:
        command: the program, with arguments of yours before ours.
        model: what it is started with; it cannot change it between turns.
        permission_mode: as of `acp`; so are those that are not here.
        auth_method: likewise.
        home: a folder for its login, configuration and conversations; None for the user's own.
        env: likewise. With `COPILOT_PROVIDER_BASE_URL` and the like it asks another provider.
        inherit: likewise, beside `COPILOT_*`, `GITHUB_*` and `GH_*`.
        secret_file: likewise; a lone value is `COPILOT_GITHUB_TOKEN`.
        mcp_servers: likewise.
        turn: likewise.
        memory: likewise.

    Raises:
        InvalidInput: an argument is not what it must be.
    """
    given = {
        "model": model, "permission_mode": permission_mode, "auth_method": auth_method,
        "home": home, "env": env, "inherit": inherit, "secret_file": secret_file,
        "mcp_servers": mcp_servers, "turn": turn, "memory": memory,
    }  # fmt: skip
    return CopilotBackend(command=words(command), name="copilot", **options(**given))


def _folder(backend: AcpBackend, opening: Opening, variable: str, otherwise: str) -> Path:
    """Return the folder that a variable of the program names; else one in its user's home."""
    variables = {**os.environ, **backend.settings(opening.session_id), **backend.env}
    home = Path(variables.get("HOME") or Path.home())
    return Path(variables[variable]) if variables.get(variable) else home / otherwise


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
