"""Model providers: whoever answers a turn of a conversation, behind one contract.

| module | what |
|---|---|
| `provider` | the contract: `Provider`, in two modes, with optional operations |
| `values` | what goes to and fro: `ToolUse`, `ToolResult`, `TurnResult`, `SessionResult`, ... |
| `pace` | the time and the chance that providers and the loop go by |
| `local` | a plain chat function |
| `chat` | any server that speaks OpenAI's chat completions |
| `responses` | OpenAI's Responses API |
| `messages` | Anthropic's Messages API |
| `managed_agents` | Claude's Managed Agents |
| `agentcore` | harnesses of Amazon Bedrock AgentCore |
| `provisioner` | what the last two run on, made once; with `provision_spec`, `provision_store` |
| `runtimes` | the languages that an agent's environment is to have |
| `artifacts` | the files of a conversation: list, fetch, put, delete |

A provider knows its wire and nothing else. The one agent loop (`beam.sessions.loop`) drives it:
turns, tools, guards, limits, reconnects. `docs/loop.md` is the guide.
"""

from beam.providers.provider import OpenOptions, Provider
from beam.providers.values import (
    Artifact,
    Handle,
    Outcome,
    SessionInfo,
    SessionResult,
    Tool,
    ToolResult,
    ToolUse,
    TurnResult,
    Usage,
)

__all__ = [
    "Artifact",
    "Handle",
    "OpenOptions",
    "Outcome",
    "Provider",
    "SessionInfo",
    "SessionResult",
    "Tool",
    "ToolResult",
    "ToolUse",
    "TurnResult",
    "Usage",
]
