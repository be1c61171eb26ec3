"""Values of the model, as hypothesis draws them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hypothesis import strategies as st

from beam.model.blocks import (
    Block,
    RawBlock,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from beam.model.events import EVENT_TYPES, Event
from beam.model.messages import MESSAGE_TYPES, Message, message_class
from beam.model.permissions import Allow, Decision, Deny
from beam.model.redaction import is_sensitive
from beam.model.runs import ON_CRASH, RUN_STATUSES, RunInfo
from beam.model.sessions import SESSION_STATES, SessionInfo

# Surrogates too: JSON's escapes can bring them in.
texts = st.text(st.characters(), max_size=8)
names = st.text(min_size=1, max_size=8)
# Hypothesis draws the constants of the code under test too; with these, redaction would act.
keys = texts.filter(lambda key: not is_sensitive(key, ["oauth_callback"]))
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
times = st.integers(0, 2**53)

json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(keys, json_values, max_size=3)

extras = st.none() | st.dictionaries(
    names.map(lambda name: f"x-{name}"), json_values, min_size=1, max_size=2
)
raw_blocks = st.builds(
    RawBlock, json_values | json_objects.map(lambda wire: {**wire, "type": "hologram"})
).filter(lambda block: not isinstance(block.raw, dict) or block.raw.get("type") == "hologram")
plain_blocks = (
    st.builds(TextBlock, texts, extras)
    | st.builds(ThinkingBlock, texts, extras)
    | st.builds(ToolUseBlock, names, names, json_objects, extras)
    | raw_blocks
)
results = st.builds(
    ToolResultBlock,
    names,
    texts | st.lists(plain_blocks, max_size=2).map(tuple),
    st.none() | st.booleans(),
    extras,
)
blocks: st.SearchStrategy[Block] = plain_blocks | results
block_lists = st.lists(blocks, max_size=3).map(tuple)

_BY_ANNOTATION: dict[str, st.SearchStrategy[Any]] = {
    "str": texts,
    "int": times,
    "str | None": st.none() | texts,
    "int | None": st.none() | times,
    "bool | None": st.none() | st.booleans(),
    "float | None": st.none() | numbers,
    "Any": json_values,
    "Mapping[str, Any]": json_objects,
    "Mapping[str, Any] | None": st.none() | json_objects,
    "tuple[Any, ...]": st.lists(json_values, max_size=2).map(tuple),
    "tuple[Block, ...]": block_lists,
}


@st.composite
def messages(draw: st.DrawFn, types: tuple[str, ...] = MESSAGE_TYPES) -> Message:
    """Draw a message of one of `types`, any of its fields set."""
    kind = draw(st.sampled_from(types))
    shape = message_class(kind)
    drawn = {
        field.name: draw(_BY_ANNOTATION[str(field.type)])
        for field in fields(shape)
        if field.name != "type" and draw(st.booleans())
    }
    return shape(**{"type": kind, **drawn})


events = st.builds(
    Event,
    id=names,
    type=st.sampled_from(EVENT_TYPES),
    session_id=names,
    timestamp=times,
    data=json_objects,
    run_id=st.none() | names,
    correlation_id=st.none() | names,
    sequence=times,
)

run_infos = st.builds(
    RunInfo,
    run_id=names,
    session_id=names,
    prompt=texts,
    created_at=times,
    status=st.sampled_from(RUN_STATUSES),
    on_crash=st.sampled_from(ON_CRASH),
    attempts=st.integers(0, 9),
    started_at=st.none() | times,
    ended_at=st.none() | times,
    output=st.none() | texts,
    reason=json_values,
    metadata=json_objects,
)

session_infos = st.builds(
    SessionInfo,
    session_id=names,
    backend=names,
    created_at=times,
    state=st.sampled_from(SESSION_STATES),
    restarts=st.integers(0, 9),
    quarantined=st.booleans(),
    cwd=st.none() | texts,
    details=json_objects,
)

decisions: st.SearchStrategy[Decision] = st.builds(
    Allow, st.none() | json_objects, st.booleans()
) | st.builds(Deny, texts, st.booleans())
