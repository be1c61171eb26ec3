"""Conversations to be recorded and played, and what two logs of one must have in common."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 30.0
"""Seconds that a wait may take before it counts as hung."""

# What differs from one session to the next, whoever plays: names and times.
_NAMES = re.compile(r"\b(session|run)_[0-9a-f]+")
# A played agent uses the recorded names of its calls, which say in which run that was.
_CALLS = re.compile(r"\brun_[0-9a-f]+\.\d+[-.](tool|ask|t|p)")
_LEFT_OUT = frozenset({"timestamp", "created_at", "at", "id", "position", "delay"})


def events_of(path: Path) -> list[dict[str, Any]]:
    """Return the events in a recording."""
    # Not `splitlines`, which takes other characters for ends of lines, too.
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def essence(events: list[dict[str, Any]]) -> list[Any]:
    """Return events without names and times, and without the name of the backend."""
    names: dict[str, str] = {}

    def named(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"{found[1]} {len(names)}")

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items() if key not in _LEFT_OUT}
        if isinstance(value, list):
            return [plain(one) for one in value]
        return _NAMES.sub(named, _CALLS.sub(r"\1", value)) if isinstance(value, str) else value

    found = [plain(event) for event in events]
    for one in found:
        if one["type"] == "session_started":
            del one["data"]["backend"]
    return found


def types_of(path: Path) -> list[str]:
    """Return the types of the events in a recording."""
    return [event["type"] for event in events_of(path)]
