"""The bare clients of the agents, as their own documentation uses them, for `benchmarks.agents`."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

CLAUDE_MODEL = "claude-sonnet-4-5"

ACP_ARGUMENTS = {
    "gemini": ("--acp", "-m", "gemini-2.5-flash"),
    "opencode": ("acp",),
    "copilot": ("--acp", "--no-auto-update", "--disable-client-telemetry"),
}


def claude_env(url: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "dummy",
        "DISABLE_TELEMETRY": "1",
        "DISABLE_ERROR_REPORTING": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def codex_overrides(url: str) -> list[str]:
    return [
        'model="fake"',
        'model_provider="local"',
        (
            f'model_providers.local={{name="local",base_url="{url}/v1",wire_api="responses",'
            'env_key="LOCAL_KEY",request_max_retries=0,stream_max_retries=0,supports_websockets=false}'
        ),
        "analytics.enabled=false",
        "check_for_update_on_startup=false",
        'web_search="disabled"',
    ]


def acp_env(name: str, url: str, home: Any) -> dict[str, str]:
    """Return the environment in which an ACP agent asks the model at `url`."""
    home.mkdir(parents=True, exist_ok=True)
    if name == "gemini":
        settings = {
            "security": {
                "auth": {"selectedType": "gemini-api-key"},
                "folderTrust": {"enabled": False},
            },
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "general": {"enableAutoUpdate": False},
        }
        (home / ".gemini").mkdir(exist_ok=True)
        (home / ".gemini" / "settings.json").write_text(json.dumps(settings))
        return {
            "HOME": str(home),
            "GEMINI_API_KEY": "dummy",
            "GOOGLE_GEMINI_BASE_URL": url,
            "GEMINI_CLI_NO_RELAUNCH": "true",
            "GEMINI_TELEMETRY_ENABLED": "false",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        }
    if name == "opencode":
        models = {
            one: {"name": one, "tool_call": True, "limit": {"context": 100000, "output": 4000}}
            for one in ("fake", "fake-small")
        }
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Local",
            "options": {"baseURL": f"{url}/v1", "apiKey": "dummy"},
            "models": models,
        }
        config = {
            "model": "local/fake",
            "small_model": "local/fake-small",
            "autoupdate": False,
            "share": "disabled",
            "enabled_providers": ["local"],
            "permission": {"bash": "ask", "edit": "ask"},
            "provider": {"local": provider},
        }
        folders = {
            f"XDG_{one}_HOME": str(home / one) for one in ("DATA", "CONFIG", "STATE", "CACHE")
        }
        return {
            "HOME": str(home),
            **folders,
            "OPENCODE_CONFIG_CONTENT": json.dumps(config),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        }
    return {
        "HOME": str(home),
        "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_API_KEY": "dummy",
        "COPILOT_MODEL": "fake",
        "COPILOT_HOME": str(home / "copilot"),
    }


class Bare:
    """A client and its agent."""

    def __init__(self, url: str, folder: Any, command: Any) -> None:
        self.url = url
        self.folder = folder
        self.command = command


class Claude(Bare):
    async def open(self) -> None:
        from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient

        options = ClaudeAgentOptions(
            cwd=self.folder / "work",
            env=claude_env(self.url),
            model=CLAUDE_MODEL,
            # Claude Code as it is, as on the other side; the client alone would ask for no prompt.
            system_prompt={"type": "preset", "preset": "claude_code"},
            include_partial_messages=True,
        )
        self.client = ClaudeSDKClient(options)
        await self.client.connect()

    async def first(self, prompt: str) -> float:
        from claude_agent_sdk import StreamEvent

        began, took = time.perf_counter(), 0.0
        await self.client.query(prompt)
        async for message in self.client.receive_response():
            spoken = isinstance(message, StreamEvent) and (
                message.event.get("type") == "content_block_delta"
            )
            if spoken and not took:
                took = time.perf_counter() - began
        return took

    async def close(self) -> None:
        await self.client.disconnect()


class Codex(Bare):
    async def open(self) -> None:
        await asyncio.to_thread(self._open)

    def _open(self) -> None:
        from openai_codex.client import CodexClient, CodexConfig

        env = {"LOCAL_KEY": "dummy", "CODEX_HOME": str(self.folder / "codex-bare")}
        overrides = tuple(codex_overrides(self.url))
        config = CodexConfig(config_overrides=overrides, cwd=str(self.folder / "work"), env=env)
        self.client = CodexClient(config, lambda *_: {"decision": "decline"})
        self.client.start()
        self.client.initialize()
        terms = {"cwd": config.cwd, "approvalPolicy": "on-request", "sandbox": "read-only"}
        self.thread = self.client.thread_start(terms).thread.id

    async def first(self, prompt: str) -> float:
        return await asyncio.to_thread(self._first, prompt)

    def _first(self, prompt: str) -> float:
        began, took = time.perf_counter(), 0.0
        turn = self.client.turn_start(self.thread, prompt).turn
        self.client.register_turn_notifications(turn.id)
        while True:
            told = self.client.next_turn_notification(turn.id)
            if told.method == "item/agentMessage/delta" and not took:
                took = time.perf_counter() - began
            if told.method == "turn/completed":
                self.client.unregister_turn_notifications(turn.id)
                return took

    async def close(self) -> None:
        await asyncio.to_thread(self.client.close)


class Acp(Bare):
    name = ""

    async def open(self) -> None:
        from acp import PROTOCOL_VERSION, Client
        from acp.schema import AllowedOutcome, RequestPermissionResponse  # noqa: F401
        from acp import spawn_agent_process

        bare = self

        class Listener(Client):
            async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
                if update.session_update == "agent_message_chunk" and not bare.took:
                    bare.took = time.perf_counter() - bare.began

        self.took = self.began = 0.0
        program, *arguments = self.command(self.name)
        env = {**os.environ, **acp_env(self.name, self.url, self.folder / f"{self.name}-bare")}
        work = str(self.folder / "work")
        self.log = open(os.devnull, "wb")  # noqa: SIM115
        self.spawned = spawn_agent_process(
            Listener(),
            program,
            *arguments,
            env=env,
            cwd=work,
            transport_kwargs={"stderr": self.log},
        )
        self.agent, _ = await self.spawned.__aenter__()
        await self.agent.initialize(protocol_version=PROTOCOL_VERSION)
        self.session = (await self.agent.new_session(cwd=work, mcp_servers=[])).session_id

    async def first(self, prompt: str) -> float:
        from acp import text_block

        self.took, self.began = 0.0, time.perf_counter()
        await self.agent.prompt(session_id=self.session, prompt=[text_block(prompt)])
        return self.took

    async def close(self) -> None:
        await self.spawned.__aexit__(None, None, None)


class Gemini(Acp):
    name = "gemini"


class Opencode(Acp):
    name = "opencode"


class Copilot(Acp):
    name = "copilot"


class Chat(Bare):
    async def open(self) -> None:
        from openai import AsyncOpenAI

        self.client = AsyncOpenAI(base_url=f"{self.url}/v1", api_key="dummy")
        self.said: list[Any] = []  # A conversation, as on the other side.

    async def first(self, prompt: str) -> float:
        began, took = time.perf_counter(), 0.0
        self.said.append({"role": "user", "content": prompt})
        stream = await self.client.chat.completions.create(
            model="fake", messages=self.said, stream=True
        )
        answer = ""
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                took = took or time.perf_counter() - began
                answer += chunk.choices[0].delta.content
        self.said.append({"role": "assistant", "content": answer})
        return took

    async def close(self) -> None:
        await self.client.close()


class Responses(Chat):
    async def first(self, prompt: str) -> float:
        began, took = time.perf_counter(), 0.0
        self.said.append({"role": "user", "content": prompt})
        stream = await self.client.responses.create(model="fake", input=self.said, stream=True)
        async for event in stream:
            if not took and event.type == "response.output_text.delta":
                took = time.perf_counter() - began
            elif event.type == "response.completed":
                self.said += [item.to_dict() for item in event.response.output]
        return took


class Messages(Bare):
    async def open(self) -> None:
        from anthropic import AsyncAnthropic

        self.client = AsyncAnthropic(base_url=self.url, api_key="dummy")
        self.said: list[Any] = []

    async def first(self, prompt: str) -> float:
        began, took = time.perf_counter(), 0.0
        self.said.append({"role": "user", "content": prompt})
        async with self.client.messages.stream(
            model="fake", max_tokens=1000, messages=self.said
        ) as stream:
            async for text in stream.text_stream:
                if text and not took:
                    took = time.perf_counter() - began
            answer = await stream.get_final_message()
        self.said.append({"role": "assistant", "content": answer.content})
        return took

    async def close(self) -> None:
        await self.client.close()


CLIENTS = {
    "claude": Claude,
    "codex": Codex,
    "gemini": Gemini,
    "opencode": Opencode,
    "copilot": Copilot,
    "chat": Chat,
    "messages": Messages,
    "responses": Responses,
}
