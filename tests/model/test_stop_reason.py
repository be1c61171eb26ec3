"""`beam.model.stop_reason`: the map of the wire's words."""

import pytest

from beam.model.stop_reason import parse_stop_reason


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("stop_sequence", "stop_sequence"),
        ("refusal", "refusal"),
        ("tool_use", "tool_use_stop"),
        ("pause_turn", "unknown_stop"),
        ("tool_use_stop", "unknown_stop"),
        ("", "unknown_stop"),
        (None, "unknown_stop"),
        (5, "unknown_stop"),
        (["end_turn"], "unknown_stop"),
    ],
)
def test_a_wire_word_stands_for_one_reason(word: object, reason: str) -> None:
    assert parse_stop_reason(word) == reason
