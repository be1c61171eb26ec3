"""What the three agents that speak ACP have said to a client, recorded, turn by turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from beam.backends.acp_dialect import COPILOT, GEMINI, OPENCODE
from beam.backends.acp_messages import AcpReader
from beam.model.messages import Message

LINES = [
    json.loads(line)
    for line in Path(__file__).with_name("acp_turns.jsonl").read_text("utf-8").splitlines()
]
DIALECTS = {"gemini": GEMINI, "opencode": OPENCODE, "copilot": COPILOT}
AGENTS = tuple(DIALECTS)


def said(agent: str, scenario: str, word: str) -> list[dict[str, Any]]:
    """Return the messages of the turn whose prompt has this word in it."""
    return [
        line["message"]
        for line in LINES
        if (line["agent"], line["scenario"]) == (agent, scenario) and word in line.get("prompt", "")
    ]


def answered(agent: str, scenario: str, method: str) -> dict[str, Any]:
    """Return the first answer to a request."""
    found = next(
        line["message"]
        for line in LINES
        if (line["agent"], line["scenario"]) == (agent, scenario) and line.get("answers") == method
    )
    result: dict[str, Any] = found["result"]
    return result


def read(agent: str, scenario: str, word: str) -> tuple[AcpReader, list[Message], dict[str, Any]]:
    """Return a turn as it is read: the reader, its messages, and the answer to the prompt."""
    reader = AcpReader(DIALECTS[agent])
    reader.begin()
    messages: list[Message] = []
    answer: dict[str, Any] = {}
    for message in said(agent, scenario, word):
        params = message.get("params", {})
        if message.get("method") == "session/update":
            messages += reader.take(params["update"])
        elif message.get("method") == "session/request_permission":
            messages += reader.asked(params["toolCall"])[1]
        elif "result" in message:
            answer = message["result"]
    return reader, messages, answer
