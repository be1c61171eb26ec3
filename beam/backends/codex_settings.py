"""What a session's settings are in Codex's words: pure functions.

    >>> mode_of("accept_edits", Policy("on-request", "read-only"))
    Policy(approval='on-request', sandbox='workspace-write')
    >>> turn_policy(Policy("never", "danger-full-access"))
    {'approvalPolicy': 'never', 'sandboxPolicy': {'type': 'dangerFullAccess'}}
    >>> mcp_config({"calc": {"command": "calc", "env": {"A": "b"}}})
    {'calc': {'command': 'calc', 'args': [], 'env': {'A': 'b'}}}

| permission mode | asks | may write |
|---|---|---|
| `default` | as the backend was made: by default `on-request` | by default nothing unasked |
| `accept_edits` | `on-request` | in the folder of the session |
| `plan` | never: what would have to be asked is refused | nothing |
| `dont_ask` | never, likewise | as in `default` |
| `bypass_permissions` | never | everything |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.backends.attached import attached
from beam.errors import InvalidInput
from beam.model.permissions import parse_permission_mode

if TYPE_CHECKING:
    from beam.backends.attached import Form
    from beam.backends.host_lines import HostTool

__all__ = [
    "APPROVALS",
    "KEY",
    "SANDBOXES",
    "Policy",
    "dynamic_tools",
    "inputs",
    "key_provider",
    "mcp_config",
    "mode_of",
    "turn_policy",
]

KEY = "OPENAI_API_KEY"
"""The variable of a key, for who is not logged in."""

APPROVALS = ("untrusted", "on-request", "never")
"""When Codex asks."""

SANDBOXES: Mapping[str, str] = {
    "read-only": "readOnly",
    "workspace-write": "workspaceWrite",
    "danger-full-access": "dangerFullAccess",
}
"""What its commands may write without asking, and the same word in a turn."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When Codex asks, and what it may do unasked: words of `APPROVALS` and `SANDBOXES`."""

    approval: str
    sandbox: str


def mode_of(mode: object, default: Policy) -> Policy:
    """Return what a permission mode stands for; an unknown one is `default`."""
    match parse_permission_mode(mode):
        case "accept_edits":
            return Policy("on-request", "workspace-write")
        case "plan":
            return Policy("never", "read-only")
        case "dont_ask":
            return Policy("never", default.sandbox)
        case "bypass_permissions":
            return Policy("never", "danger-full-access")
    return default


def turn_policy(policy: Policy) -> dict[str, Any]:
    """Return the policy as `turn/start` takes it."""
    sandbox = {"type": SANDBOXES[policy.sandbox]}
    return {"approvalPolicy": policy.approval, "sandboxPolicy": sandbox}


def mcp_config(servers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return MCP servers as `mcp_servers` of Codex's configuration.

    Args:
        servers: by name, a mapping with `command`, `args`, `env`, or with `type`, `url`, `headers`.

    Raises:
        InvalidInput: a server speaks what Codex does not.
    """
    return {name: _server(name, server) for name, server in servers.items()}


def dynamic_tools(tools: Iterable[HostTool]) -> list[dict[str, Any]]:
    """Return the session's own tools as `dynamicTools` of a thread."""
    return [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "inputSchema": dict(tool.input_schema),
        }
        for tool in tools
    ]


def inputs(prompt: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a turn is asked: the prompt, and the pictures and sounds that go with it.

    Args:
        prompt: the text; it already says in words what is attached.
        params: the query's; `attachment_blocks` are the attachments (`beam.model.attachments`).

    Raises:
        InvalidInput: one is a file that is no text, which Codex does not take.
    """
    forms: dict[str, Form] = {"image": _media, "audio": _media}
    return [{"type": "text", "text": prompt}, *attached(params, forms, "Codex")]


def _media(block: Mapping[str, Any]) -> dict[str, Any]:
    kind = block["type"]
    mime_type = block.get("mime_type") or _MEDIA[kind]
    return {"type": kind, "url": f"data:{mime_type};base64,{block['data']}"}


def key_provider(base_url: str = "") -> dict[str, Any]:
    """Return OpenAI as a model provider that is paid by the key in the program's environment.

    Its app-server does not look for a key itself, and a login by one would be kept on the disk.

    Args:
        base_url: where it is; empty for where it always is.
    """
    return {
        "name": "OpenAI",
        "base_url": base_url or "https://api.openai.com/v1",
        "wire_api": "responses",
        "env_key": KEY,
    }


_MEDIA = {"image": "image/png", "audio": "audio/wav"}


def _server(name: str, server: Mapping[str, Any]) -> dict[str, Any]:
    if "command" in server:
        return {
            "command": server["command"],
            "args": list(server.get("args") or ()),
            "env": dict(server.get("env") or {}),
        }
    kind = server.get("type", "http")
    if kind != "http":
        raise InvalidInput(f"mcp_servers[{name!r}].type", kind, "'http', or a command")
    return {"url": server.get("url"), "http_headers": dict(server.get("headers") or {})}
