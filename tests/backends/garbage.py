"""Lines for an agent to send that are almost right: hypothesis strategies."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

TYPES = [
    "ready", "text", "thinking", "system", "assistant", "user", "stream_event", "raw",
    "rate_limit_event", "auth_status", "tool_use", "tool_result", "tool_progress",
    "permission_request", "result", "error", "control_request", "hologram", "",
]  # fmt: skip

IDS = ["q-1", "q-2", "t1", "t2", ""]

_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)

_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "query_id": st.sampled_from(IDS),
    "id": st.sampled_from(IDS),
    "tool_use_id": st.sampled_from(IDS),
    "tool_name": st.sampled_from(["read_file", ""]),
    "tool_input": st.just({"path": "a"}),
    "host": st.booleans(),
    "content": st.text(alphabet=st.characters(), max_size=5),
    "message": _ANY,
    "is_error": st.booleans(),
    "protocol": st.sampled_from([1, 2]),
    "name": st.sampled_from(["echo", ""]),
    "capabilities": st.sampled_from([[], ["interrupt"], ["memory"]]),
    "reason": st.sampled_from(["overloaded", ""]),
    "retryable": st.booleans(),
}


@st.composite
def json_lines(draw: st.DrawFn) -> bytes:
    """Draw a JSON object that has mostly the fields and values of the protocol."""
    wire = draw(st.fixed_dictionaries({"type": st.sampled_from(TYPES)}, optional=_FIELDS))
    for name in draw(st.lists(st.sampled_from(["type", *_FIELDS]), max_size=2)):
        wire[name] = draw(_ANY)
    return json.dumps(wire).encode()
