"""`managed_agents`: Claude's Managed Agents, whose loop runs on their servers; ours are the tools.

    >>> provider = managed_agents(idle_timeout=600.0)
    >>> provider.name, provider.mode, provider.supports_outcomes
    ('managed_agents', 'streaming', True)

It needs the extra `anthropic`, and a key in `ANTHROPIC_API_KEY` or in a secret file. What a
conversation runs on is provisioned before (`beam.providers.provisioner`): an agent, with the custom
tools in it, and an environment. `beam.run` takes their handle as `agent=`, and as options of this
provider:

| option | what |
|---|---|
| `title`, `metadata`, `resources`, `vault_ids`, `budget` | as the API has them for a session |
| `agent_version` | the version of the agent; the newest unless given |
| `replace_tools` | tools in the API's form, in the place of all of the agent's; ours are added |

`system` and `model`, where given, take the place of the agent's for this conversation. What was
sent is never sent twice on its own account: only what reads is tried again.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from beam.errors import InvalidInput, ProviderFailed
from beam.model.exit_reasons import ExitReason, of_text
from beam.otp.aio import aside
from beam.providers import managed_events, managed_provision
from beam.providers.clients import Access, Clients, sdk
from beam.providers.failures import failed_as, retrying
from beam.providers.managed_files import ManagedFiles
from beam.providers.pace import Late, Pace, within
from beam.providers.provider import BEGIN, Event, Mode, OpenOptions, Provider
from beam.providers.provision_spec import checked
from beam.providers.provisioner import Found
from beam.providers.sse import Frames
from beam.providers.values import Handle, ToolResult, ToolUse, TurnResult

__all__ = ["ManagedAgents", "ManagedConn", "managed_agents"]

_SESSION: Final = ("title", "metadata", "resources", "vault_ids", "budget")
_OPTIONS: Final = frozenset({*_SESSION, "agent_version", "replace_tools"})
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_PAGE: Final = 100
# Pages of a history: a server that never ends one is wrong.
_MOST_PAGES: Final = 100_000


@dataclass(frozen=True, slots=True)
class ManagedConn:
    """A conversation.

    Attributes:
        session_id: its name.
        was_there: whether it was found, not made.
        client, secrets, pace: how it is reached.
    """

    session_id: str
    was_there: bool
    client: Any = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    pace: Pace = field(repr=False)


@dataclass(frozen=True)
class ManagedAgents(Provider):
    """The provider; `managed_agents` makes it.

    Attributes:
        access: how to reach the servers.
        timeout: seconds that a request may take.
        idle_timeout: seconds that the event stream may be silent.
    """

    name: ClassVar[str] = managed_provision.PROVIDER
    mode: ClassVar[Mode] = "streaming"
    supports_outcomes: ClassVar[bool] = True
    remembers: ClassVar[bool] = True

    access: Access
    timeout: float = 60.0
    idle_timeout: float = 1800.0
    clients: Clients = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("timeout", "idle_timeout"):
            value: Any = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise InvalidInput(name, value, "a number of seconds, more than 0")
        object.__setattr__(self, "clients", Clients(self._client))

    # The conversation

    def check(self, options: OpenOptions) -> None:
        """Refuse to begin without the client, a key, or what the conversation runs on."""
        sdk("anthropic", "anthropic")
        self.access.check(options.model_config)
        for name in options.extra:
            if name not in _OPTIONS:
                raise InvalidInput("option", name, f"one of {', '.join(sorted(_OPTIONS))}")
        for name in ("agent_id", "environment_id"):
            if options.session_id is None and getattr(options, name) is None:
                raise InvalidInput(name, None, "what was provisioned, for a new conversation")

    async def open(self, options: OpenOptions) -> ManagedConn:
        """Make a session, or find the one that is named.

        Raises:
            ProviderFailed: `("create_session_failed", reason)`, `("open_session_failed", reason)`.
        """
        client, secrets = await self._taken(options.model_config)
        known = options.session_id
        word = "create_session_failed" if known is None else "open_session_failed"
        try:
            if known is None:
                session = await client.beta.sessions.create(**_session(options))
            else:
                session = await client.beta.sessions.retrieve(known)
            found = str(session.id)
        except BaseException as error:
            await self.clients.give_back(client)
            if not isinstance(error, Exception):
                raise
            failure = failed_as(error, secrets)
            raise ProviderFailed((word, failure.reason), failure.detail, failure.exit) from None
        return ManagedConn(found, known is not None, client, secrets, options.pace)

    def session_id(self, conn: ManagedConn) -> str:
        """Return the session's id."""
        return conn.session_id

    def resumed(self, conn: ManagedConn) -> bool:
        """Say whether the session was there."""
        return conn.was_there

    async def close(self, conn: ManagedConn) -> None:
        """Let go of the client; the session goes on on its server."""
        await self.clients.give_back(conn.client)

    # What is said

    def kickoff_input(self, options: OpenOptions) -> Any:
        """Return the outcome that is wanted, or the prompt."""
        if options.outcome is not None:
            return [managed_events.outcome(options.outcome)]
        return self.user_input(options.prompt or BEGIN)

    def user_input(self, text: str) -> Any:
        """Return a user's message."""
        return [managed_events.message(text)]

    def resume_input(self, uses: Sequence[ToolUse], results: Sequence[ToolResult]) -> Any:
        """Return one result event for each tool use."""
        return [managed_events.tool_result(result) for result in results]

    async def push_input(self, conn: ManagedConn, given: Any) -> None:
        """Send events; one that a user of a live session sends goes as it is."""
        events = [dict(given)] if isinstance(given, Mapping) else list(given)
        try:
            await conn.client.beta.sessions.events.send(conn.session_id, events=events)
        except Exception as error:  # noqa: BLE001 - of a library that has many
            raise failed_as(error, conn.secrets) from None

    async def interrupt(self, conn: ManagedConn) -> None:
        """Tell the server to stop, so that it works no more for nobody."""
        await self.push_input(conn, managed_events.INTERRUPT)

    # What is heard

    async def stream(self, conn: ManagedConn) -> AsyncIterator[Event]:
        """Yield the session's events from now on.

        Raises:
            ProviderFailed: `stream_idle_timeout`; `("status", n)`; how the connection broke.
        """
        events = conn.client.beta.sessions.events.with_streaming_response
        # The time is ours, so that a test may move it: the client waits as long as we do.
        opening = events.stream(conn.session_id, timeout=None)
        frames = Frames()
        async with contextlib.AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(opening)
                yield None
                chunks = aiter(response.iter_bytes())
                while (chunk := await self._next(conn, chunks)) is not None:
                    for event in frames.feed(chunk):
                        _refuse_error(event)
                        yield event
            except ProviderFailed:
                raise
            except Exception as error:  # noqa: BLE001 - of a library that has many
                raise failed_as(error, conn.secrets) from None

    async def history(self, conn: ManagedConn) -> Sequence[Event]:
        """Return every event of the session, page by page.

        Raises:
            ProviderFailed: it could not be read; `malformed_history`.
        """
        events: list[Event] = []
        page: str | None = None
        for _ in range(_MOST_PAGES):
            found = await retrying(conn.pace, lambda at=page: self._page(conn, at))  # type: ignore[misc]
            data, following = found.get("data"), found.get("next_page")
            if not isinstance(data, list):
                break
            events += data
            if not following:
                return events
            if not isinstance(following, str) or following == page:
                break
            page = following
        raise ProviderFailed("malformed_history", f"after {len(events)} events")

    def is_boundary(self, event: Event) -> bool:
        """Say whether the event ends a turn."""
        return managed_events.is_boundary(event)

    def normalize(self, events: Sequence[Event]) -> TurnResult:
        """Return what the events of a turn come to."""
        return managed_events.normalize(events)

    def pending_tool_uses(self, events: Sequence[Event]) -> tuple[ToolUse, ...]:
        """Return the custom tool uses without a result."""
        return managed_events.pending(events)

    def text_delta(self, event: Event) -> str | None:
        """Return what the agent says by the event."""
        return managed_events.text_of(event)

    # Provisioning

    def base(self, name: str) -> str:
        """Return the base of a spec as it stands in names here."""
        return managed_provision.base(name)

    async def provision(self, spec: Any, options: Mapping[str, Any]) -> Handle:
        """Make an agent and its environment; see `managed_provision.made`."""
        async with self._client_of(options) as client:
            return await managed_provision.made(client, checked(spec))

    async def teardown(self, handle: Handle, options: Mapping[str, Any]) -> None:
        """Archive an agent and its environment; see `managed_provision.removed`."""
        async with self._client_of(options) as client:
            await managed_provision.removed(client, handle)

    async def provisioned(self, options: Mapping[str, Any]) -> list[Found]:
        """Return the agents that are there."""
        async with self._client_of(options) as client:
            return await managed_provision.listed(client)

    # Files

    def artifacts(
        self, session_id: str, *, options: Mapping[str, Any] | None = None, pace: Pace | None = None
    ) -> ManagedFiles:
        """Return the files of a session; see `beam.providers.artifacts`.

        Args:
            session_id: the session, as `SessionResult` has it.
            options: `api_key` and `base_url`, in the place of the provider's.
            pace: the time to go by, for tests.

        Raises:
            InvalidInput: the session is none, or the client is not installed.
        """
        sdk("anthropic", "anthropic")
        known: Any = session_id
        if not isinstance(known, str) or not _SESSION_ID.fullmatch(known):
            raise InvalidInput("session_id", known, "letters, digits, - and _")
        given = dict(options or {})
        return ManagedFiles(lambda: self._client_of(given), known, pace or Pace())

    # Inside

    def _client(self, key: str, url: str | None) -> Any:
        library = sdk("anthropic", "anthropic")
        return library.AsyncAnthropic(
            api_key=key, base_url=url, timeout=self.timeout, max_retries=0
        )

    async def _taken(self, model_config: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
        key = await aside(self.access.key, model_config)
        return self.clients.take(key, self.access.url(model_config)), (key,)

    @contextlib.asynccontextmanager
    async def _client_of(self, options: Mapping[str, Any]) -> AsyncIterator[Any]:
        client, _ = await self._taken(options)
        try:
            yield client
        finally:
            await self.clients.give_back(client)

    async def _next(self, conn: ManagedConn, chunks: AsyncIterator[bytes]) -> bytes | None:
        try:
            return await within(conn.pace, self.idle_timeout, anext(chunks, None))
        except Late:
            exit = ExitReason("stalled", detail=f"silent for {self.idle_timeout} s")
            raise ProviderFailed("stream_idle_timeout", exit.detail, exit) from None

    async def _page(self, conn: ManagedConn, page: str | None) -> Mapping[str, Any]:
        events = conn.client.beta.sessions.events.with_raw_response
        more = {} if page is None else {"page": page}
        try:
            response = await events.list(conn.session_id, order="asc", limit=_PAGE, **more)
            found = response.http_response.json()
        except Exception as error:  # noqa: BLE001 - of a library that has many
            raise failed_as(error, conn.secrets) from None
        return found if isinstance(found, Mapping) else {}


def managed_agents(
    *,
    secret_file: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    timeout: float = 60.0,
    idle_timeout: float = 1800.0,
) -> ManagedAgents:
    """Return a provider of Claude's Managed Agents.

    Args:
        secret_file: a file with the key, in the place of `ANTHROPIC_API_KEY`.
        base_url: where the servers are; the official ones unless given.
        timeout: seconds that a request may take.
        idle_timeout: seconds that the event stream may be silent.

    Raises:
        InvalidInput: an argument is not what it must be.
    """
    return ManagedAgents(Access("ANTHROPIC_API_KEY", secret_file, base_url), timeout, idle_timeout)


def _session(options: OpenOptions) -> dict[str, Any]:
    """Return what a session is made of."""
    extra = options.extra
    wanted = {name: extra[name] for name in _SESSION if name in extra}
    agent: dict[str, Any] = {"type": "agent", "id": options.agent_id}
    if "agent_version" in extra:
        agent["version"] = extra["agent_version"]
    instead: dict[str, Any] = {}
    if options.model is not None:
        instead["model"] = managed_provision.bare_model(options.model)
    if options.system:
        instead["system"] = options.system
    if "replace_tools" in extra:
        ours = managed_provision.custom_tools(options.tools)
        instead["tools"] = [*extra["replace_tools"], *ours]
    if instead:
        agent = {**agent, **instead, "type": "agent_with_overrides"}
    return {**wanted, "agent": agent, "environment_id": options.environment_id}


def _refuse_error(event: Any) -> None:
    """Raise what the stream itself says went wrong, which is no event of the session."""
    if isinstance(event, Mapping) and event.get("type") == "error":
        error = event.get("error")
        kind = error.get("type") if isinstance(error, Mapping) else None
        text = error.get("message") if isinstance(error, Mapping) else None
        detail = f"{kind or 'error'}: {text or ''}"
        raise ProviderFailed(("stream_error", str(kind or "error")), detail, of_text(detail))
