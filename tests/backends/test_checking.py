"""What is no MCP server is refused where it is given, without a word of what may be a secret."""

from __future__ import annotations

from typing import Any

import pytest

from beam import Fleet
from beam.backends import acp
from beam.errors import InvalidInput

WRONG = [
    ({"calc": {}}, "mcp_servers['calc']"),
    ({"calc": "hunter2"}, "mcp_servers['calc']"),
    ({"calc": {"command": "a", "url": "b"}}, "mcp_servers['calc']"),
    ({"calc": {"command": ["hunter2"]}}, "mcp_servers['calc'].command"),
    ({"docs": {"type": "http", "url": ""}}, "mcp_servers['docs'].url"),
    ({"": {"command": "a"}}, "mcp_servers"),
]


@pytest.mark.parametrize(("servers", "field"), WRONG)
def test_a_fleet_refuses_a_backend_with_what_is_no_mcp_server(servers: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Fleet(backends={"mine": acp("true", mcp_servers=servers)})
    assert refused.value.field == f"backends['mine'].{field}"
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(("servers", "field"), WRONG)
def test_a_session_refuses_what_is_no_mcp_server(servers: Any, field: str) -> None:
    with Fleet(backends={}) as fleet, pytest.raises(InvalidInput) as refused:
        fleet.start_session(mcp_servers=servers)
    assert refused.value.field == field
    assert "hunter2" not in str(refused.value)
