"""Fact 70 of the specification: tools in this process."""

from __future__ import annotations

import pytest

from beam.errors import NotFound
from beam.model.tool_registry import Tool, ToolRegistry, ToolServer


def crash(arguments: object) -> str:
    raise ValueError("out of order")


REGISTRY = ToolRegistry().with_server(
    ToolServer("sums", (Tool("add", "Add", {"type": "object"}, lambda given: sum(given.values())),
                        Tool("crash", "Crash", {}, crash)))
)  # fmt: skip


def asked(method: str, **params: object) -> dict[str, object]:
    answer = REGISTRY.handle("sums", {"jsonrpc": "2.0", "id": 7, "method": method,
                                      "params": params})  # fmt: skip
    assert answer is not None
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 7)
    return answer


def test_fact_70_a_crash_of_a_handler_is_a_result_that_is_an_error() -> None:
    result = asked("tools/call", name="crash", arguments={})["result"]
    assert result == {
        "content": [{"type": "text", "text": "ValueError: out of order"}],
        "isError": True,
    }


def test_fact_70_an_unknown_tool_is_an_error_of_the_protocol() -> None:
    assert asked("tools/call", name="fly")["error"]["code"] == -32602  # type: ignore[index]
    assert asked("tools/fly")["error"]["code"] == -32601  # type: ignore[index]


def test_fact_70_a_disabled_server_is_skipped_when_tools_are_listed() -> None:
    more = REGISTRY.with_server(ToolServer("others", (Tool("fly", "Fly", {}, crash),)))
    assert [tool.name for _, tool in more.tools()] == ["add", "crash", "fly"]
    less = more.with_enabled("sums", False)
    assert [tool.name for _, tool in less.tools()] == ["fly"]
    assert less.status()["sums"] == {
        "name": "sums", "version": "1.0.0", "tool_count": 2, "enabled": False,
    }  # fmt: skip
    with pytest.raises(NotFound) as refused:
        less.handle("sums", {"id": 1, "method": "tools/list"})
    assert refused.value.reason == "server_disabled"
    with pytest.raises(NotFound):
        less.call("add", {})


def test_a_tool_is_listed_and_called() -> None:
    assert asked("initialize")["result"]["serverInfo"] == {  # type: ignore[index]
        "name": "sums", "version": "1.0.0",
    }  # fmt: skip
    listed = asked("tools/list")["result"]["tools"]  # type: ignore[index]
    assert listed[0] == {
        "name": "add", "description": "Add", "inputSchema": {"type": "object"},
    }  # fmt: skip
    result = asked("tools/call", name="add", arguments={"a": 1, "b": 2})["result"]
    assert result == {"content": [{"type": "text", "text": "3"}], "isError": False}
    assert REGISTRY.call("add", {"a": 1, "b": 2}) == result
    assert REGISTRY.handle("sums", {"method": "notifications/initialized"}) is None
