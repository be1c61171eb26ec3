"""A session's settings in Codex's words, and what `codex` takes (`codex_settings`, `codex`)."""

from __future__ import annotations

from typing import Any

import pytest

from beam.backends import codex
from beam.backends.codex_settings import Policy, dynamic_tools, inputs, mcp_config, mode_of
from beam.backends.host_lines import HostTool
from beam.errors import InvalidInput

DEFAULT = Policy("untrusted", "read-only")


@pytest.mark.parametrize(
    ("mode", "policy"),
    [
        ("default", DEFAULT),
        (None, DEFAULT),
        ("nonsense", DEFAULT),
        ("accept_edits", Policy("on-request", "workspace-write")),
        ("plan", Policy("never", "read-only")),
        ("dont_ask", Policy("never", "read-only")),
        ("bypass_permissions", Policy("never", "danger-full-access")),
    ],
)
def test_a_permission_mode_says_when_codex_asks_and_what_it_may_do(
    mode: object, policy: Policy
) -> None:
    assert mode_of(mode, DEFAULT) == policy


def test_an_mcp_server_is_a_command_or_an_address() -> None:
    servers = {
        "a": {"command": "calc", "args": ["-x"], "env": {"KEY": "v"}},
        "b": {"type": "http", "url": "http://127.0.0.1:1/mcp", "headers": {"A": "b"}},
    }
    assert mcp_config(servers) == {
        "a": {"command": "calc", "args": ["-x"], "env": {"KEY": "v"}},
        "b": {"url": "http://127.0.0.1:1/mcp", "http_headers": {"A": "b"}},
    }


def test_an_mcp_server_that_codex_cannot_speak_with_is_refused() -> None:
    with pytest.raises(InvalidInput, match="sse"):
        codex(mcp_servers={"a": {"type": "sse", "url": "http://127.0.0.1:1"}})


def test_the_sessions_tools_are_dynamic_tools() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    (tool,) = dynamic_tools([HostTool("add", "Adds.", schema)])
    assert tool == {
        "type": "function", "name": "add", "description": "Adds.", "inputSchema": schema,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("approval_policy", "always"),
        ("sandbox", "none"),
        ("config_overrides", ["no equals sign"]),
        ("config_overrides", "model=1"),
        ("config_overrides", {"model": None}),
        ("inherit", "ONE"),
    ],
)
def test_a_wrong_option_is_named(option: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match=option):
        codex(**{option: value})


def test_overrides_may_be_a_mapping_in_toml() -> None:
    given = {"model": "fake", "local": {"url": "http://a", "retries": 0, "on": [True]}}
    overrides = codex(config_overrides=given).config_overrides
    assert overrides == ('model="fake"', 'local={"url"="http://a","retries"=0,"on"=[true]}')


def test_what_may_be_secret_is_not_shown() -> None:
    secret = "hunter2-hunter2"
    backend = codex(
        env={"OPENAI_API_KEY": secret},
        mcp_servers={"a": {"command": "calc", "env": {"TOKEN": secret}}},
    )
    assert secret not in repr(backend)


def test_pictures_and_sounds_go_with_the_prompt() -> None:
    blocks = [
        {"type": "image", "data": "aGk=", "mime_type": "image/gif"},
        {"type": "audio", "data": "aGk="},
        {"type": "file", "data": "aGk=", "mime_type": "text/plain"},
        {"type": "resource_link", "uri": "http://127.0.0.1/a"},
    ]
    assert inputs("Look.", {"attachment_blocks": blocks}) == [
        {"type": "text", "text": "Look."},
        {"type": "image", "url": "data:image/gif;base64,aGk="},
        {"type": "audio", "url": "data:audio/wav;base64,aGk="},
        {"type": "text", "text": "Attachment 3:\n\nhi"},
    ]
    with pytest.raises(InvalidInput, match=r"attachments\[0\]: expected one that Codex takes"):
        inputs("Look.", {"attachment_blocks": [{"type": "file", "data": "AAA="}]})
