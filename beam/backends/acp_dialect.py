"""What one ACP agent does otherwise than the others, as data and plain functions.

    >>> GEMINI.tool_name({"toolCallId": "run_shell_command__run_shell_command_17_0"})
    'run_shell_command'
    >>> OPENCODE.tool_name({"title": "bash", "kind": "execute"})
    'bash'
    >>> PLAIN.tool_name({"title": "List the files", "kind": "execute"})
    ''

What is not here is the same for all. Each was seen with the version that the tests pin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["COPILOT", "GEMINI", "OPENCODE", "PLAIN", "SERVER", "Dialect"]

SERVER = "beam"
"""The name of the MCP server that serves the session's own tools."""

Wire = Mapping[str, Any]


def _nameless(wire: Wire) -> str:
    """Return the name that Claude's adapter gives; other agents have no place for one."""
    meta = wire.get("_meta")
    for group in meta.values() if isinstance(meta, Mapping) else ():
        if isinstance(group, Mapping) and isinstance(name := group.get("toolName"), str):
            return name
    return ""


def _of_gemini(wire: Wire) -> str:
    """Return the beginning of the call's id, which is the tool's name."""
    found = wire.get("toolCallId")
    name = re.match(r"([A-Za-z]\w*?)(?:__\1_\d+_\d+|-\d+(?:-\d+)?)$", str(found))
    return name[1] if name else ""


def _of_opencode(wire: Wire) -> str:
    """Return the first title of a call, which is the tool's name; later ones are prose."""
    title = wire.get("title")
    return title if isinstance(title, str) and re.fullmatch(r"[\w.-]+", title) else ""


def _of_copilot(wire: Wire) -> str:
    """Return the name of a tool of an MCP server, which is its title; the others have prose."""
    if wire.get("kind") == "execute":
        return "bash"
    return _of_opencode(wire) if wire.get("kind") == "other" else ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is peculiar to an agent.

    Attributes:
        tool_name: what a first update's tool is called, empty if it does not say.
        asides: how texts begin that the agent itself says in the model's place.
        sums_usage: whether it counts the tokens of all turns since it was started, not of one.
        starts_servers: whether it starts MCP servers that are programs.
        overlooks_kills: whether it does not see that a signal has ended the shell of its command.
        asks_on: whether it asks its model again at once, without an end, if an answer breaks off.
        error_prefix: how a text begins that is said in an answer's place when the model failed;
            empty for an agent that reports failures as such.
        own_name: what the program itself calls a tool of `SERVER`, with `{}` for the tool's name;
            empty where nobody knows it: what any agent calls a tool, its model may have chosen.
        own_title: the title that the program itself gives to such a call; empty if it gives none.
    """

    tool_name: Callable[[Wire], str] = _nameless
    asides: re.Pattern[str] | None = None
    sums_usage: bool = False
    starts_servers: bool = True
    overlooks_kills: bool = False
    asks_on: bool = False
    error_prefix: str = ""
    own_name: str = ""
    own_title: str = ""

    def own_tool(self, name: str, title: str, mine: Iterable[str]) -> str:
        """Return the session's own tool that a call is named after, empty if after none.

        Args:
            name: what `tool_name` made of the call's first update.
            title: the call's title.
            mine: the names of the session's own tools, which are served by `SERVER`.
        """
        for tool in mine if self.own_name else ():
            if name == self.own_name.format(tool):
                return tool if not self.own_title or title == self.own_title.format(tool) else ""
        return ""


PLAIN = Dialect()

GEMINI = Dialect(
    tool_name=_of_gemini,
    own_name=f"mcp_{SERVER}_{{}}",
    own_title=f"{{}} ({SERVER} MCP Server)",
)

OPENCODE = Dialect(
    tool_name=_of_opencode,
    overlooks_kills=True,
    asks_on=True,
    own_name=f"{SERVER}_{{}}",
)

COPILOT = Dialect(
    tool_name=_of_copilot,
    asides=re.compile(
        r"Info: (Request failed due to a transient API error|Operation cancelled by user)"
        r"|Warning: \d+ tool call\(s\) had no recorded result at resume"
    ),
    sums_usage=True,
    starts_servers=False,
    error_prefix="Error: ",
    own_name=f"{SERVER}-{{}}",
)
