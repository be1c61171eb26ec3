"""`agentcore`: harnesses of Amazon Bedrock AgentCore, whose loop runs there; ours are the tools.

    >>> provider = agentcore(region="eu-central-1")
    >>> provider.name, provider.mode, provider.supports_outcomes
    ('agentcore', 'request_response', False)

It needs the extra `bedrock`; credentials are found where `boto3` finds them. A harness is
provisioned before (`beam.providers.provisioner`, with `execution_role_arn`), and `beam.run` takes
its handle as `agent=`; as options of this provider:

| option | what |
|---|---|
| `max_iterations`, `max_tokens`, `timeout_seconds` | bounds of an invocation |
| `actor_id`, `allowed_tools`, `skills` | as the API has them for an invocation |
| `replace_tools` | tools in the API's form, in the place of all of the harness's; ours are added |

`system` and `model`, where given, take the place of the harness's. A conversation is a session id;
who has it goes on with it, as long as the service keeps it.

A poll is tried twice more where the connection broke or the answer has no end, never where the
stream says what went wrong. The harness may then hear a message twice: this is at least once.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from beam.errors import InvalidInput, InvalidOption, ProviderFailed
from beam.model.exit_reasons import ExitReason
from beam.otp.aio import aside
from beam.providers import harness_events
from beam.providers.clients import sdk
from beam.providers.harness_files import HarnessFiles, checked_folder
from beam.providers.harness_provision import PROVIDER, Harnesses, Patience, base, inline_functions
from beam.providers.harness_wire import Reading, may_pass
from beam.providers.pace import Pace
from beam.providers.provider import Event, Forward, Mode, OpenOptions, Provider
from beam.providers.provision_spec import checked
from beam.providers.provisioner import Found
from beam.providers.values import Handle, ToolResult, ToolUse, TurnResult

__all__ = ["AgentCore", "HarnessConn", "agentcore"]

RETRIES: Final = 2
RETRY_WAIT_S: Final = 0.5

_OPTIONS: Final = {
    "max_iterations": "maxIterations",
    "max_tokens": "maxTokens",
    "timeout_seconds": "timeoutSeconds",
    "actor_id": "actorId",
    "allowed_tools": "allowedTools",
    "skills": "skills",
}
_SESSION_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{32,99}")
_ROLE = re.compile(r"arn:aws[^:]*:iam::\d*:role/.+")


@dataclass(frozen=True, slots=True)
class HarnessConn:
    """A conversation.

    Attributes:
        session_id: its name.
        was_there: whether its caller had the name already.
        given: what each invocation says besides the messages.
        pace: the time to go by.
    """

    session_id: str
    was_there: bool
    given: Mapping[str, Any] = field(repr=False)
    pace: Pace = field(repr=False)


@dataclass(frozen=True)
class AgentCore(Provider):
    """The provider; `agentcore` makes it.

    Attributes:
        region: where; None for the environment's.
        profile: of the credentials; None for the environment's.
        endpoint_url: where the service is; the official place unless given.
        qualifier: the endpoint of the harness; its default one unless given.
        idle_timeout: seconds that an answer may be silent.
        clients: makes a client of a service by its name, in the place of `boto3`.
    """

    name: ClassVar[str] = PROVIDER
    mode: ClassVar[Mode] = "request_response"

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    qualifier: str | None = None
    idle_timeout: float = 300.0
    clients: Any = field(default=None, repr=False, compare=False)
    _made: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        idle: Any = self.idle_timeout
        if isinstance(idle, bool) or not isinstance(idle, int | float) or not idle > 0:
            raise InvalidInput("idle_timeout", idle, "a number of seconds, more than 0")
        for name in ("region", "profile", "endpoint_url", "qualifier"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise InvalidInput(name, value, "a non-empty text, or None")

    # The conversation

    def check(self, options: OpenOptions) -> None:
        """Refuse to begin without the client, a harness, or with a session id that cannot be."""
        if self.clients is None:
            sdk("boto3", "bedrock")
        if options.agent_id is None:
            raise InvalidInput("agent_id", None, "the ARN of a harness, as it was provisioned")
        known = options.session_id
        if known is not None and not _SESSION_ID.fullmatch(known):
            raise InvalidInput("session_id", known, "33 to 100 letters, digits, - and _")
        for name in options.extra:
            if name not in _OPTIONS and name != "replace_tools":
                words = ", ".join([*_OPTIONS, "replace_tools"])
                raise InvalidInput("option", name, f"one of {words}")

    async def open(self, options: OpenOptions) -> HarnessConn:
        """Name a conversation; the harness hears of it with the first message."""
        known = options.session_id
        name = known or options.pace.new_id("beam-session-", 32)
        given = {**self._invocation(options), "runtimeSessionId": name}
        return HarnessConn(name, known is not None, given, options.pace)

    def session_id(self, conn: HarnessConn) -> str:
        """Return the session's id."""
        return conn.session_id

    def resumed(self, conn: HarnessConn) -> bool:
        """Say whether the caller had the id; whether the service still has the session it hides."""
        return conn.was_there

    def user_input(self, text: str) -> Any:
        """Return a user's message."""
        return harness_events.user_messages(text)

    def resume_input(self, uses: Sequence[ToolUse], results: Sequence[ToolResult]) -> Any:
        """Return the assistant's tool uses, and the user's results."""
        return harness_events.results_messages(uses, results)

    async def poll_turn(
        self, conn: HarnessConn, given: Any, forward: Forward
    ) -> tuple[Sequence[Event], HarnessConn]:
        """Invoke the harness and return what it says.

        Raises:
            ProviderFailed: `("harness_stream_error", type, message)`; `early_termination`: the
                answer had no end, three times; `not_connected`; `stream_idle_timeout`;
                `("status", n)`.
        """
        client = await aside(self._service, "bedrock-agentcore")
        invoke = functools.partial(client.invoke_harness, messages=list(given), **conn.given)
        events: list[Event] = []

        async def take(event: Event) -> None:
            events.append(event)
            await forward(event)

        for number in range(1, RETRIES + 2):
            begun = len(events)
            try:
                await Reading(take).read(invoke)
                if harness_events.is_whole(events[begun:]):
                    return events, conn
                raise _cut_off()
            except ProviderFailed as failure:
                if number > RETRIES or not may_pass(failure):
                    raise
            await conn.pace.sleep(RETRY_WAIT_S * 2.0 ** (number - 1))
            await take({"type": harness_events.ATTEMPT, "number": number + 1})
        raise AssertionError("the last try returns or raises")

    def normalize(self, events: Sequence[Event]) -> TurnResult:
        """Return what the events of a turn come to."""
        return harness_events.normalize(events)

    def text_delta(self, event: Event) -> str | None:
        """Return the piece of text that the event brings."""
        return harness_events.text_delta(event)

    def thinking_delta(self, event: Event) -> str | None:
        """Return the piece of reasoning that the event brings."""
        return harness_events.thinking_delta(event)

    # Provisioning

    def base(self, name: str) -> str:
        """Return the base of a spec as it stands in names here."""
        return base(name)

    async def provision(self, spec: Any, options: Mapping[str, Any]) -> Handle:
        """Make a harness, and wait until it is ready.

        Args:
            spec: an `AgentSpec`; its `details` and its environment's `config` are fields of
                `CreateHarness`.
            options: `execution_role_arn`, the role that the harness takes; `provision_timeout`,
                seconds for all of it (365); `poll_interval`, seconds between two looks (5); `pace`.

        Raises:
            InvalidOption: one is not what it must be; nothing was asked for.
            ProviderFailed: see `Harnesses.made`.
        """
        wanted, role = checked(spec), options.get("execution_role_arn")
        if not isinstance(role, str) or not _ROLE.fullmatch(role.strip()):
            raise InvalidOption("execution_role_arn", role, "the ARN of an IAM role")
        return await (await self._harnesses(options)).made(wanted, role.strip())

    async def teardown(self, handle: Handle, options: Mapping[str, Any]) -> None:
        """Delete a harness, and wait until it is gone."""
        await (await self._harnesses(options)).removed(_harness_id(handle))

    async def provisioned(self, options: Mapping[str, Any]) -> list[Found]:
        """Return the harnesses that are there."""
        return await (await self._harnesses(options)).listed()

    # Files

    def artifacts(self, session_id: str, *, agent: Handle, folder: str) -> HarnessFiles:
        """Return the files of a folder of a session; see `beam.providers.harness_files`.

        Args:
            session_id: the session, as `SessionResult` has it.
            agent: the harness, as it was provisioned.
            folder: the `mountPath` of its `sessionStorage`, or a folder below it.

        Raises:
            InvalidInput: an argument is not what it must be.
        """
        known: Any = session_id
        if not isinstance(known, str) or not _SESSION_ID.fullmatch(known):
            raise InvalidInput("session_id", known, "33 to 100 letters, digits, - and _")
        harness: Any = agent
        if not isinstance(harness, Handle) or harness.provider != PROVIDER:
            raise InvalidInput("agent", harness, "a Handle of a harness")
        reach = functools.partial(self._runtime, agent)
        return HarnessFiles(reach, known, checked_folder(folder), Pace())

    async def _runtime(self, agent: Handle) -> tuple[Any, str]:
        """Return the client, and the ARN of the runtime that a harness runs in."""
        harness = await (await self._harnesses({})).found(_harness_id(agent))
        runtime = (harness.get("environment") or {}).get("agentCoreRuntimeEnvironment") or {}
        arn = runtime.get("agentRuntimeArn")
        if not isinstance(arn, str):
            raise ProviderFailed("malformed_harness", "a harness without agentRuntimeArn")
        return await aside(self._service, "bedrock-agentcore"), arn

    # Inside

    async def _harnesses(self, options: Mapping[str, Any]) -> Harnesses:
        defaults = Patience()
        patience = Patience(
            options.get("provision_timeout", defaults.total),
            options.get("poll_interval", defaults.interval),
        )
        client = await aside(self._service, "bedrock-agentcore-control")
        return Harnesses(client, options.get("pace") or Pace(), patience)

    def _invocation(self, options: OpenOptions) -> dict[str, Any]:
        extra = options.extra
        given: dict[str, Any] = {
            wire: extra[name] for name, wire in _OPTIONS.items() if name in extra
        }
        given["harnessArn"] = options.agent_id
        if self.qualifier is not None:
            given["qualifier"] = self.qualifier
        if options.system:
            given["systemPrompt"] = [{"text": options.system}]
        if options.model is not None:
            given["model"] = {"bedrockModelConfig": {"modelId": options.model}}
        if "replace_tools" in extra:
            given["tools"] = [*extra["replace_tools"], *inline_functions(options)]
        return given

    def _service(self, service: str) -> Any:
        """Return a client, made once; it serves any thread. Blocks: it reads files."""
        with self._lock:
            if service not in self._made:
                self._made[service] = (self.clients or self._client)(service)
            return self._made[service]

    def _client(self, service: str) -> Any:
        library = sdk("boto3", "bedrock")
        config = sdk("botocore.config", "bedrock").Config(
            read_timeout=self.idle_timeout,
            connect_timeout=min(30.0, self.idle_timeout),
            # What may be tried again is decided here.
            retries={"total_max_attempts": 1, "mode": "standard"},
        )
        session = library.session.Session(profile_name=self.profile, region_name=self.region)
        return session.client(service, endpoint_url=self.endpoint_url, config=config)


def agentcore(
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    qualifier: str | None = None,
    idle_timeout: float = 300.0,
) -> AgentCore:
    """Return a provider of harnesses of Amazon Bedrock AgentCore; see `AgentCore`.

    Raises:
        InvalidInput: an argument is not what it must be.
    """
    return AgentCore(region, profile, endpoint_url, qualifier, idle_timeout)


def _harness_id(handle: Handle) -> str:
    return str(handle.details.get("harness_id") or handle.agent_id.rpartition("/")[2])


def _cut_off() -> ProviderFailed:
    detail = "the answer ended without saying why it stopped"
    return ProviderFailed("early_termination", detail, ExitReason("overloaded", detail=detail))
