"""What is seen from outside of the MCP servers that an agent was given."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beam.backends.mcp_reach import McpServers


@pytest.fixture
def port() -> Iterator[int]:
    """A port of loopback that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def reasons(server: Any, variables: dict[str, str] | None = None, folder: str = "/") -> str:
    """Return why a server is not there; empty if it is."""
    servers = McpServers({"it": server})
    asyncio.run(servers.look(lambda name: (variables or {}).get(name, ""), folder))
    return servers.reasons.get("it", "")


def test_a_program_is_looked_for_where_the_agent_would_look(tmp_path: Path) -> None:
    program = tmp_path / "serve"
    program.write_text("#!/bin/sh\n", "utf-8")
    program.chmod(0o755)
    assert reasons({"command": sys.executable}) == ""
    assert reasons({"command": "serve"}) == "there is no program 'serve'"
    assert reasons({"command": "serve"}, {"PATH": str(tmp_path)}) == ""
    assert reasons({"command": "./serve"}, folder=str(tmp_path)) == ""


def test_a_host_that_listens_is_there_whatever_it_says(port: int) -> None:
    assert reasons({"url": f"http://127.0.0.1:{port}/mcp"}) == ""


def test_of_a_host_that_does_not_listen_no_more_than_its_address_is_told() -> None:
    said = reasons({"type": "sse", "url": "http://ada:hunter2@127.0.0.1:1/secret?key=secret"})
    assert said.startswith("127.0.0.1:1 cannot be reached")
    assert "hunter2" not in said
    assert "secret" not in said


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://h:port/", "http://[::1", 5, None])
def test_a_url_without_a_host_is_no_place(url: Any) -> None:
    assert reasons({"url": url}) == "its url names no host"


def test_a_host_that_is_reached_by_a_proxy_is_left_to_the_agent() -> None:
    unheard = {"url": "http://127.0.0.1:1/"}
    assert reasons(unheard, {"HTTPS_PROXY": "http://proxy:3128"}) == ""


def test_a_server_that_is_lost_is_told_once_and_only_if_it_was_given() -> None:
    servers = McpServers({"calc": {"command": "/nowhere"}})
    asyncio.run(servers.look(lambda name: "", "/"))
    assert servers.known() == [{"name": "calc", "status": "failed"}]
    assert servers.lost("else") == []
    (said,) = servers.unreachable()
    assert said.content == "the MCP server 'calc' cannot be used: there is no program '/nowhere'"
    assert said.raw == {"name": "calc", "detail": "there is no program '/nowhere'"}
    assert servers.lost("calc", "exited") == []
    assert servers.unreachable() == []
