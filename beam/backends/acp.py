"""`acp`: any program that speaks the Agent Client Protocol, and three of them by name.

    from beam.backends import acp, copilot, gemini, opencode

    fleet = beam.Fleet(backends={"gemini": gemini(), "mine": acp("my-agent --acp", name="mine")})

They need the extra `acp` (`pip install 'beam-fleet[acp]'`), which brings the protocol's client, and
the program itself: `gemini` (npm @google/gemini-cli), `opencode` (npm opencode-ai), `copilot` (npm
@github/copilot). Each session has a program of its own, started and ended by `Ports`, with the
user's login and configuration, or a folder of its own (`home`). Its updater and its telemetry are
off, where it has a switch for them that leaves the user's own files alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.acp_dialect import PLAIN, Dialect
from beam.backends.agent_backend import AgentBackend
from beam.backends.backend import WINDOW
from beam.backends.credentials import check_secret_file, environment, read_secrets
from beam.backends.line_limits import MAX_LINE
from beam.backends.turn_limits import MemoryLimits, TurnLimits
from beam.errors import InvalidInput
from beam.ports.spec import PortSpec

if TYPE_CHECKING:
    from beam.backends.acp_watch import AcpWatch
    from beam.backends.agent_wire import Wire
    from beam.backends.backend import Opening
    from beam.backends.driver import Driver
    from beam.backends.talk import Talk

__all__ = ["AcpBackend", "acp"]


@dataclass(frozen=True, kw_only=True)
class AcpBackend(AgentBackend):
    """A program that speaks ACP; `acp` makes it, and says what its attributes are."""

    kind: ClassVar[str] = "acp"
    dialect: ClassVar[Dialect] = PLAIN
    own: ClassVar[tuple[str, ...]] = ()
    """The credentials that are the program's own, among those in our environment."""
    key: ClassVar[str] = "API_KEY"
    """What a lone value in a file of secrets is."""
    steers: ClassVar[bool] = False

    command: tuple[str, ...]
    name: str = "acp"
    model: str | None = None
    permission_mode: str | None = None
    auth_method: str | None = None
    home: str | None = None
    # Secrets may be in these.
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    inherit: tuple[str, ...] = ()
    secret_file: str | None = None
    mcp_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    def check(self) -> None:
        """Refuse what cannot work.

        Raises:
            InvalidInput: the extra is not installed, the program is not there or cannot be run,
                or the file of secrets cannot be read.
        """
        if importlib.util.find_spec("acp") is None:
            raise InvalidInput("backend", self.name, "the extra: pip install 'beam-fleet[acp]'")
        self.find()
        check_secret_file(self.secret_file, bare=self.key)

    def find(self) -> str:
        """Return the path of the program.

        Raises:
            InvalidInput: it is not there, or cannot be run.
        """
        path = self.environment("").get("PATH", os.defpath)
        found = shutil.which(self.command[0], path=path)
        if found is None:
            raise InvalidInput("command", self.command[0], "a program that can be run")
        return found

    def program(self, opening: Opening) -> PortSpec:
        """Return the program of a session; no secret is in its arguments. Blocks."""
        # Here, on a thread that may block: the client takes a second to import, once.
        importlib.import_module("beam.backends.acp_client")
        importlib.import_module("beam.backends.tool_server")
        self.prepare(opening)
        return PortSpec.of(
            [*self.command, *self.arguments(opening)],
            env=self.environment(opening.session_id) | self.variables(opening),
            cwd=opening.cwd or None,
            stdin="pipe",
            line_limit=MAX_LINE,
            stdin_limit=2 * MAX_LINE,
            window_lines=WINDOW,
            grace=self.grace,
        )

    def driver(self, talk: Talk, wire: Wire | None) -> Driver:
        """Return what speaks with the program of a session."""
        from beam.backends.acp_driver import AcpDriver  # noqa: PLC0415 - it needs the extra

        return AcpDriver(self, talk, wire)

    def folder(self, opening: Opening) -> str:
        """Return the folder that a session's agent works in, as an absolute path."""
        return os.path.abspath(opening.cwd or os.getcwd())

    # What a preset says

    def arguments(self, opening: Opening) -> list[str]:
        """Return the arguments that depend on the session."""
        return []

    def variables(self, opening: Opening) -> dict[str, str]:
        """Return the variables that depend on what the session wants; they count most."""
        return {}

    def first_model(self, opening: Opening) -> str:
        """Return the model that a session's program is started with; empty if nobody knows."""
        return ""

    def prepare(self, opening: Opening) -> None:
        """Write the files that the program needs. Blocks."""

    def watch(self, opening: Opening) -> AcpWatch:
        """Return what looks after that which the protocol does not tell."""
        from beam.backends.acp_watch import AcpWatch  # noqa: PLC0415 - by sessions, not by `acp()`

        return AcpWatch()

    def settings(self, session_id: str) -> dict[str, str]:
        """Return the variables that the preset sets; `env` counts more."""
        return {}

    def environment(self, session_id: str) -> dict[str, str]:
        """Return the whole environment of a session's program. Reads the file of secrets.

        Raises:
            InvalidInput: the file of secrets cannot be used.
        """
        result = environment(os.environ, own=self.own, inherit=self.inherit)
        result |= self.settings(session_id)
        result |= read_secrets(self.secret_file, bare=self.key)
        return result | dict(self.env)


def acp(
    command: str | Sequence[str],
    *,
    name: str = "acp",
    model: str | None = None,
    permission_mode: str | None = None,
    auth_method: str | None = None,
    env: Mapping[str, str] | None = None,
    inherit: Sequence[str] = (),
    secret_file: str | os.PathLike[str] | None = None,
    mcp_servers: Mapping[str, Mapping[str, Any]] | None = None,
    turn: TurnLimits | None = None,
    memory: MemoryLimits | None = None,
) -> AcpBackend:
    """Return a backend whose agents are programs that speak ACP on stdin and stdout.

    Args:
        command: a command line, split as a shell would (no shell runs), or a program and its
            arguments: `"my-agent --acp"`.
        name: what it is called in errors.
        model: the model, where the agent lets one choose; None for its own. A session's and a
            query's count more. An agent that changes none says so, in a notice.
        permission_mode: one of ours (`default`, `plan`, ...) or of the agent's, likewise. A turn
            in a mode that the agent lacks is refused, as `invalid_request`; in `accept_edits` and
            `bypass_permissions` it goes on asking, and says so.
        auth_method: the agent's id for a way to log in, which it is asked for before each
            conversation: one that needs nobody to be there. None for the login that it has.
        env: variables to add to its environment.
        inherit: the names of credentials in our environment that it gets, `*` at the end for a
            prefix; of what is no credential it gets all.
        secret_file: a file of `NAME=value` lines that are added to its environment; nobody but
            its owner may read it.
        mcp_servers: MCP servers, by name, as in `SessionOptions.mcp_servers`, whose count more.
        turn: the deadlines of a turn.
        memory: the limits of the memory of its tree.

    Raises:
        InvalidInput: an argument is not what it must be.
    """
    return AcpBackend(
        command=words(command),
        name=name,
        **options(
            model=model,
            permission_mode=permission_mode,
            auth_method=auth_method,
            env=env,
            inherit=inherit,
            secret_file=secret_file,
            mcp_servers=mcp_servers,
            turn=turn,
            memory=memory,
        ),
    )


def words(command: str | Sequence[str]) -> tuple[str, ...]:
    """Return a program and its arguments.

    Raises:
        InvalidInput: it is none.
    """
    return PortSpec.of(command).argv


def options(**given: Any) -> dict[str, Any]:
    """Return the options that all ACP backends share, checked; those that are None are left out.

    Raises:
        InvalidInput: one is not what it must be.
    """
    for name in ("env", "mcp_servers"):
        if given.get(name) is not None and not isinstance(given[name], Mapping):
            raise InvalidInput(name, type(given[name]).__name__, "a mapping")
    inherit = given.get("inherit")
    if isinstance(inherit, str) or not isinstance(inherit, Sequence):
        raise InvalidInput("inherit", inherit, "several names")
    given["inherit"] = tuple(inherit)
    for name in ("secret_file", "home"):
        if given.get(name) is not None:
            given[name] = os.path.abspath(os.path.expanduser(given[name]))
    PortSpec.of("true", extra=given.get("env"))  # Refuses what is no environment.
    return {name: value for name, value in given.items() if value is not None}
