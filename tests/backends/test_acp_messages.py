"""What ACP agents say, as unified messages (`acp_messages`, `acp_tools`), from recordings."""

from __future__ import annotations

from typing import Any

import pytest

from beam.backends.acp_dialect import COPILOT, GEMINI, OPENCODE, PLAIN, Dialect
from beam.backends.acp_messages import MOST_TRIES, AcpReader, shows_work
from beam.backends.acp_tools import ToolCall
from beam.model.messages import Message, SystemMessage, ToolMessage
from tests.backends.acp_recorded import AGENTS, read


def tools(messages: list[Message]) -> list[ToolMessage]:
    return [each for each in messages if isinstance(each, ToolMessage)]


@pytest.mark.parametrize("agent", AGENTS)
def test_an_answer_is_streamed_piece_by_piece(agent: str) -> None:
    reader, messages, _ = read(agent, "basic", "one two three")
    assert [each.content for each in messages if each.type == "text"] == ["one ", "two ", "three"]
    assert reader.text() == "one two three"


@pytest.mark.parametrize(
    ("agent", "name"), [("gemini", "run_shell_command"), ("opencode", "bash"), ("copilot", "bash")]
)
def test_a_tool_use_is_told_once_with_its_command_and_tied_to_its_result(
    agent: str, name: str
) -> None:
    reader, messages, _ = read(agent, "basic", "made > made.txt")
    use, result = tools(messages)
    assert (use.type, result.type) == ("tool_use", "tool_result")
    assert use.tool_name == result.tool_name == name
    assert use.tool_input["command"] == "echo made > made.txt"
    assert use.tool_use_id == result.tool_use_id
    assert result.is_error is False
    assert reader.text().startswith("tool said: ")


@pytest.mark.parametrize("agent", ["opencode", "copilot"])
def test_a_tool_that_was_denied_has_failed(agent: str) -> None:
    _, messages, _ = read(agent, "basic", "made > denied.txt")
    assert tools(messages)[-1].type == "tool_result"
    assert tools(messages)[-1].is_error is True
    assert "reject" in tools(messages)[-1].content


def test_what_copilot_says_in_the_models_place_is_no_answer() -> None:
    reader, messages, _ = read("copilot", "basic", "made > denied.txt")
    assert reader.text() == ""
    assert [each.content for each in messages if each.subtype == "notice"] == [
        "Info: Operation cancelled by user"
    ]


def test_what_the_agent_says_about_itself_is_a_system_message_with_its_word() -> None:
    _, messages, _ = read("opencode", "basic", "one two three")
    assert {each.subtype for each in messages if isinstance(each, SystemMessage)} == {
        "available_commands_update",
        "usage_update",
    }


def test_what_a_conversation_has_cost_is_kept() -> None:
    reader, _, _ = read("opencode", "basic", "one two three")
    assert reader.cost == 0.0


@pytest.mark.parametrize(
    "update", [{"sessionUpdate": "news_of_2027", "x": 1}, {"sessionUpdate": 7}, {}]
)
def test_an_update_of_a_kind_that_is_not_known_is_passed_on_as_such(update: dict[str, Any]) -> None:
    [message] = AcpReader().take(update)
    assert (message.type, message.subtype, message.raw) == ("system", "unknown_update", update)


def test_a_thought_is_thinking_and_a_picture_is_raw() -> None:
    reader = AcpReader()
    thought = {
        "sessionUpdate": "agent_thought_chunk",
        "content": {"type": "text", "text": "Hm"},
    }
    picture = {
        "sessionUpdate": "agent_message_chunk",
        "content": {"type": "image", "data": "AA==", "mimeType": "image/png"},
    }
    assert [each.type for each in reader.take(thought)] == ["thinking"]
    assert [each.type for each in reader.take(picture)] == ["raw"]
    assert reader.text() == ""


def test_the_answer_is_the_last_message_of_a_turn() -> None:
    reader = AcpReader()
    for message, text in (("m1", "Let me see. "), ("m2", "It is "), ("m2", "there.")):
        content = {"type": "text", "text": text}
        reader.take(
            {"sessionUpdate": "agent_message_chunk", "messageId": message, "content": content}
        )
    assert reader.text() == "It is there."


def test_output_that_comes_while_a_tool_runs_is_its_progress() -> None:
    reader = AcpReader()
    begun = {"sessionUpdate": "tool_call", "toolCallId": "c", "kind": "execute", "title": "make"}
    reader.take(begun | {"status": "in_progress"})
    output = [{"type": "content", "content": {"type": "text", "text": "gcc a.c"}}]
    running = {"sessionUpdate": "tool_call_update", "toolCallId": "c", "content": output}
    [progress] = reader.take(running)
    assert (progress.type, progress.content) == ("tool_progress", "gcc a.c")
    assert reader.take(running) == []


def test_a_call_of_the_sessions_own_tool_is_left_to_who_runs_it() -> None:
    reader = AcpReader(OPENCODE, mine={"add": {}})
    call = {"sessionUpdate": "tool_call", "toolCallId": "c", "title": "beam_add", "kind": "other"}
    assert reader.take(call | {"rawInput": {"a": 2}}) == []
    done = {"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed"}
    assert reader.take(done) == []


ADD = {"add": {"properties": {"a": {}, "b": {}}, "required": ["a"]}}
OWN_CALLS: dict[str, tuple[Dialect, dict[str, Any]]] = {
    "gemini": (GEMINI, {"toolCallId": "mcp_beam_add__mcp_beam_add_17_0",
                        "title": "add (beam MCP Server)"}),
    "opencode": (OPENCODE, {"toolCallId": "c", "title": "beam_add"}),
    "copilot": (COPILOT, {"toolCallId": "c", "title": "beam-add"}),
}  # fmt: skip


def asked_of(agent: str, **fields: Any) -> tuple[bool, list[str]]:
    """Ask for a call of an agent's; return whether nobody need be asked, and what is told."""
    dialect, call = OWN_CALLS[agent]
    reader = AcpReader(dialect, ADD)
    found, told = reader.asked({**call, "kind": "other", **fields})
    return reader.is_harmless(found), [message.type for message in told]


@pytest.mark.parametrize("agent", OWN_CALLS)
@pytest.mark.parametrize("given", [{"a": 2}, {"a": 2, "b": 3}])
def test_a_call_that_can_only_reach_the_sessions_own_tool_is_asked_of_nobody(
    agent: str, given: dict[str, Any]
) -> None:
    assert asked_of(agent, rawInput=given) == (True, [])


@pytest.mark.parametrize("agent", OWN_CALLS)
@pytest.mark.parametrize(
    "fields",
    [
        {"rawInput": {"command": "rm -rf ."}},
        {"rawInput": {"a": 2, "command": "rm -rf ."}},
        {"rawInput": {"b": 3}},
        {"rawInput": ["a"]},
        {},
        {"rawInput": {"a": 2}, "kind": "execute"},
        {"rawInput": {"a": 2}, "title": "mcp__beam__add: x", "toolCallId": "c"},
    ],
)
def test_a_call_that_is_not_all_of_it_the_own_tools_is_asked_and_told(
    agent: str, fields: dict[str, Any]
) -> None:
    assert asked_of(agent, **fields) == (False, ["tool_use"])


def test_the_arguments_that_gemini_shows_are_those_of_the_call() -> None:
    for text, harmless in (('{"a": 2}', True), ('{"command": "rm"}', False), ("a", False)):
        content = [{"type": "content", "content": {"type": "text", "text": text}}]
        assert asked_of("gemini", content=content)[0] is harmless


def test_a_call_that_was_asked_about_is_told_to_its_end() -> None:
    reader = AcpReader(OPENCODE, ADD)
    call = {"toolCallId": "c", "title": "beam_add", "kind": "other"}
    assert reader.take(call | {"sessionUpdate": "tool_call", "rawInput": {}}) == []
    assert [each.type for each in reader.asked(call | {"rawInput": {"x": 1}})[1]] == ["tool_use"]
    done = {"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed"}
    assert [each.type for each in reader.take(done)] == ["tool_result"]


def test_a_tool_that_is_not_named_goes_by_its_kind_and_what_is_shown_of_it() -> None:
    wire = {
        "toolCallId": "c",
        "kind": "edit",
        "title": "Edit a.py",
        "locations": [{"path": "/home/ada/a.py"}],
        "content": [{"type": "diff", "path": "/home/ada/a.py", "oldText": "", "newText": "x"}],
    }
    call = ToolCall.of(wire, PLAIN)
    assert call.name == "edit"
    assert call.input == {
        "title": "Edit a.py",
        "locations": ["/home/ada/a.py"],
        "changes": wire["content"],
    }


def test_each_agent_names_its_tools_in_a_way_of_its_own() -> None:
    assert GEMINI.tool_name({"toolCallId": "read_file-1795862175589"}) == "read_file"
    assert GEMINI.tool_name({"toolCallId": "c-1"}) == "c"
    assert GEMINI.tool_name({"toolCallId": "some thing"}) == ""
    assert OPENCODE.tool_name({"title": "echo made > a.txt"}) == ""
    assert COPILOT.tool_name({"title": "Make a file", "kind": "execute"}) == "bash"
    adapter = {"_meta": {"claudeCode": {"toolName": "Bash"}}}
    assert PLAIN.tool_name(adapter) == "Bash"


@pytest.mark.parametrize(
    ("update", "works"),
    [
        ("available_commands_update", False),
        ("current_mode_update", False),
        ("user_message_chunk", False),
        ("agent_message_chunk", True),
        ("agent_thought_chunk", True),
        ("tool_call", True),
        ("plan", True),
    ],
)
def test_what_the_program_tells_of_itself_is_no_sign_of_work(update: str, works: bool) -> None:
    assert shows_work({"sessionUpdate": update}) is works


def test_who_says_message_after_message_and_uses_no_tool_asks_in_vain() -> None:
    def hear(reader: AcpReader, name: str) -> None:
        said = {"type": "text", "text": "half an"}
        reader.take({"sessionUpdate": "agent_message_chunk", "messageId": name, "content": said})

    reader, other = AcpReader(OPENCODE), AcpReader(GEMINI)
    for number in range(MOST_TRIES):
        for each in (reader, reader, other):
            hear(each, f"m{number}")
    assert not reader.asks_in_vain()
    reader.take({"sessionUpdate": "tool_call", "toolCallId": "t", "title": "bash"})
    for number in range(MOST_TRIES + 1):
        hear(other, f"n{number}")
        assert not reader.asks_in_vain()
        hear(reader, f"n{number}")
    assert reader.asks_in_vain()
    assert not other.asks_in_vain()
    reader.begin()
    assert not reader.asks_in_vain()
