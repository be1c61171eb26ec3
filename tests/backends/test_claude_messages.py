"""What Claude Code's program says, translated: from lines as they were recorded, made shorter."""

from __future__ import annotations

from typing import Any

import pytest

from beam.backends.claude_messages import ClaudeMessages
from beam.model.blocks import TextBlock, ThinkingBlock
from beam.model.messages import Message

SESSION = "d0bf4f37-8c66-48ce-b0f0-e073acf2a04c"
PROMPT = "7c577218-7b51-441f-b129-74591dc63ac3"


def taken(*lines: dict[str, Any]) -> list[Message]:
    reader = ClaudeMessages()
    return [message for line in lines for message in reader.take(line, timestamp=5)]


def event(**event: Any) -> dict[str, Any]:
    return {
        "type": "stream_event",
        "event": event,
        "session_id": SESSION,
        "parent_tool_use_id": None,
        "uuid": "811bd90c-e21a-4aef-845f-60e278562bc6",
        "api_message_id": "msg_1",
    }


def delta(**delta: Any) -> dict[str, Any]:
    return event(type="content_block_delta", index=0, delta=delta)


def assistant(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "type": "assistant",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": list(content),
            "stop_reason": None,
            "usage": {"input_tokens": 10, "output_tokens": 1},
        },
        "parent_tool_use_id": None,
        "session_id": SESSION,
        "uuid": "2bded993-51a4-4ae6-b4a3-bf97ebda3438",
        **more,
    }


def tool_use(name: str = "Bash", use_id: str = "toolu_4", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": use_id, "name": name, "input": arguments}


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {
        "type": "user",
        "message": {"role": "user", "content": content},
        "parent_tool_use_id": None,
        "session_id": SESSION,
        "uuid": "37d38ca1-8bd7-4009-9866-f04167f04a64",
        **more,
    }


def result_of(use_id: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": use_id, "content": content, **more}


def init(**more: Any) -> dict[str, Any]:
    return {
        "type": "system",
        "subtype": "init",
        "cwd": "/home/ada",
        "session_id": SESSION,
        "tools": ["Bash", "Read"],
        "mcp_servers": [],
        "model": "claude-sonnet-4-5",
        "permissionMode": "default",
        "uuid": "aa0c1b7e-0000-4000-8000-000000000000",
        **more,
    }


def test_a_delta_of_text_is_a_stream_event_with_the_piece() -> None:
    [message] = taken(delta(type="text_delta", text="hi "))
    assert (message.type, message.content, message.subtype) == ("stream_event", "hi ", "text_delta")
    assert (message.message_id, message.timestamp) == ("msg_1", 5)


def test_a_delta_of_thinking_says_what_it_is() -> None:
    [message] = taken(delta(type="thinking_delta", thinking="Hm."))
    assert (message.content, message.subtype) == ("Hm.", "thinking_delta")


@pytest.mark.parametrize(
    "line",
    [
        event(type="message_start", message={"id": "msg_1", "content": []}),
        event(type="content_block_start", index=0, content_block={"type": "text", "text": ""}),
        delta(type="input_json_delta", partial_json='{"command"'),
        delta(type="signature_delta", signature="c2ln"),
        delta(type="text_delta", text=5),
        event(type="content_block_stop", index=0),
        event(type="message_stop"),
        {"type": "command_lifecycle", "command_uuid": PROMPT, "state": "started"},
        {"type": "system", "subtype": "status", "status": "requesting", "session_id": SESSION},
        {"type": "result", "subtype": "success", "is_error": False, "result": "ok"},
        user("<local-command-stdout>Set model</local-command-stdout>", isReplay=True),
        user([{"type": "text", "text": "[Request interrupted by user for tool use]"}]),
    ],
)
def test_what_only_keeps_the_talk_going_is_no_message(line: dict[str, Any]) -> None:
    assert taken(line) == []


def test_a_whole_message_is_one_assistant_message() -> None:
    [message] = taken(assistant({"type": "text", "text": "hi there"}, user_message_uuid=PROMPT))
    assert (message.type, message.content) == ("assistant", "hi there")
    assert message.content_blocks == (TextBlock("hi there"),)
    assert (message.message_id, message.model) == ("msg_1", "claude-sonnet-4-5")


def test_the_programs_own_name_of_the_conversation_is_not_the_sessions() -> None:
    [message] = taken(assistant({"type": "text", "text": "hi"}))
    assert message.session_id is None


def test_thinking_stays_a_block_with_its_signature() -> None:
    block = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    [message] = taken(assistant(block))
    assert message.content_blocks == (ThinkingBlock("Hm.", {"signature": "c2ln"}),)
    assert message.content == ""


def test_a_tool_use_and_its_result_are_messages_of_their_own() -> None:
    use, result = taken(
        assistant(tool_use(command="echo 43")),
        user([result_of("toolu_4", "43", is_error=False)]),
    )
    assert (use.type, use.tool_name, use.tool_use_id) == ("tool_use", "Bash", "toolu_4")
    assert use.tool_input == {"command": "echo 43"}
    assert (result.type, result.content) == ("tool_result", "43")
    assert (result.tool_name, result.tool_use_id, result.is_error) == ("Bash", "toolu_4", False)


def test_a_result_in_blocks_is_their_text() -> None:
    blocks = [{"type": "text", "text": "one"}, {"type": "text", "text": " two"}]
    _, result = taken(assistant(tool_use()), user([result_of("toolu_4", blocks)]))
    assert result.content == "one two"


def test_a_message_of_several_blocks_is_told_part_by_part() -> None:
    text = {"type": "text", "text": "Let me look."}
    whole, first, second = taken(assistant(text, tool_use(), tool_use("Read", "toolu_5")))
    assert (whole.type, whole.content) == ("assistant", "Let me look.")
    assert [first.tool_name, second.tool_name] == ["Bash", "Read"]


def test_what_a_subagent_says_names_the_tool_use_that_began_it() -> None:
    text = {"type": "text", "text": "hi"}
    [message] = taken(assistant(text, parent_tool_use_id="toolu_1"))
    assert message.parent_tool_use_id == "toolu_1"


def test_an_error_in_an_answers_place_says_so() -> None:
    text = {"type": "text", "text": "API Error: 500"}
    [message] = taken(assistant(text, error="server_error", is_api_error_message=True))
    assert message.error_info == "server_error"


def test_what_the_agent_has_is_told_once_and_again_when_it_has_changed() -> None:
    first, again = taken(init(), init(uuid="other"), init(permissionMode="plan"))
    assert first.system_info["permission_mode"] == "default"
    assert again.system_info["permission_mode"] == "plan"


def test_a_retry_of_the_program_itself_is_told() -> None:
    retry = {"type": "system", "subtype": "api_retry", "attempt": 1, "error_status": 429}
    [message] = taken(retry)
    assert (message.type, message.subtype) == ("system", "api_retry")


def test_a_line_of_a_new_kind_is_kept_raw() -> None:
    [message] = taken({"type": "hologram", "depth": 3})
    assert (message.type, message.raw) == ("raw", {"type": "hologram", "depth": 3})


@pytest.mark.parametrize("line", [{}, {"type": 5}, {"type": "assistant", "message": []}, {"a": 1}])
def test_no_line_can_break_the_translation(line: dict[str, Any]) -> None:
    assert all(isinstance(message, Message) for message in taken(line))


def test_a_tool_of_the_host_is_told_of_by_the_session_alone() -> None:
    reader = ClaudeMessages()
    use = assistant(tool_use("mcp__beam__add", a=2, b=3))
    assert reader.take(use, timestamp=5) == []
    assert reader.claim("add", {"a": 2, "b": 3}) == "toolu_4"
    assert reader.take(user([result_of("toolu_4", "5")]), timestamp=5) == []


def test_a_call_of_a_hosts_tool_is_matched_by_what_it_is_called_with() -> None:
    reader = ClaudeMessages()
    reader.take(assistant(tool_use("mcp__beam__add", "toolu_1", a=1)), timestamp=5)
    reader.take(assistant(tool_use("mcp__beam__add", "toolu_2", a=2)), timestamp=5)
    assert reader.claim("add", {"a": 2}) == "toolu_2"
    assert reader.claim("add", {"a": 9}) == "toolu_1"
    assert reader.claim("add", {"a": 1}) is None


def test_a_tool_of_the_host_that_was_never_called_is_told_with_its_result() -> None:
    use, result = taken(
        assistant(tool_use("mcp__beam__add", a="two")),
        user([result_of("toolu_4", "Input validation error", is_error=True)]),
    )
    assert (use.type, use.tool_name) == ("tool_use", "add")
    assert (result.type, result.tool_name, result.is_error) == ("tool_result", "add", True)
