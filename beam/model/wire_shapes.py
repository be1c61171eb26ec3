"""The fields that each type of message has on the wire, checked by pydantic.

    >>> checked("result", {"num_turns": 2, "duration_ms": "long", "colour": "red"})
    {'num_turns': 2}
    >>> checked("tool_use", {"name": "add", "id": "t1", "input": "1 + 1"})
    Traceback (most recent call last):
    beam.errors.InvalidInput: input: expected a valid dictionary, got '1 + 1'

What `beam.model.wire` makes messages of; see there for what is essential, and what is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import (
    AliasChoices,
    Field,
    OnErrorOmit,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import TypedDict

from beam.errors import InvalidInput

__all__ = ["checked"]

Object = dict[StrictStr, Any]
Text = OnErrorOmit[StrictStr]
Flag = OnErrorOmit[StrictBool]
Number = OnErrorOmit[StrictInt | StrictFloat]
Items = OnErrorOmit[tuple[Any, ...]]
OptionalObject = OnErrorOmit[Object]


def _named(*names: str) -> Any:
    """Take the value from the first of these wire names that is there."""
    return Field(validation_alias=AliasChoices(*names))


class _Common(TypedDict, total=False):
    uuid: Text
    session_id: Text
    thread_id: Text
    event_type: Text
    subtype: Text
    parent_tool_use_id: Text


class _Assistant(_Common, total=False):
    error_info: Annotated[Any, _named("error")]
    message_id: Annotated[Text, _named("id")]
    model: Text
    usage: OptionalObject
    stop_reason: Text


class _User(_Common, total=False):
    is_replay: Annotated[Flag, _named("isReplay")]


class _Tool(_Common, total=False):
    tool_name: Annotated[StrictStr, _named("tool_name", "name")]
    tool_input: Annotated[Object, _named("tool_input", "input")]
    tool_use_id: Annotated[StrictStr, _named("tool_use_id", "id")]
    is_error: Flag


class _System(_Common, total=False):
    system_info: OptionalObject
    task_id: Text
    task_type: Text
    task_status: Annotated[Text, _named("status")]
    tool_use_id: Text
    description: Text
    last_tool_name: Text
    output_file: Text
    summary: Text
    usage: OptionalObject


class _Result(_Common, total=False):
    is_error: Flag
    duration_ms: Number
    duration_api_ms: Number
    num_turns: OnErrorOmit[StrictInt]
    stop_reason: Text
    total_cost_usd: Number
    usage: OptionalObject
    model_usage: Annotated[OptionalObject, _named("modelUsage")]
    permission_denials: Items
    errors: Items
    structured_output: Any
    fast_mode_state: Text


class _Error(_Common, total=False):
    is_error: Flag
    error_type: Text


class _Control(_Common, total=False):
    request_id: StrictStr
    request: Object
    response: Object


class _RateLimit(_Common, total=False):
    rate_limit_status: Annotated[Text, _named("status")]
    rate_limit_type: Annotated[Text, _named("rateLimitType")]
    resets_at: Annotated[Number, _named("resetsAt")]
    utilization: Number
    surpassed_threshold: Annotated[Number, _named("surpassedThreshold")]
    overage_status: Annotated[Text, _named("overageStatus")]
    overage_resets_at: Annotated[Number, _named("overageResetsAt")]
    overage_disabled_reason: Annotated[Text, _named("overageDisabledReason")]
    is_using_overage: Annotated[Flag, _named("isUsingOverage")]


_SHAPES: Mapping[str, type] = {
    "assistant": _Assistant,
    "user": _User,
    "tool_use": _Tool,
    "tool_result": _Tool,
    "tool_progress": _Tool,
    "system": _System,
    "result": _Result,
    "error": _Error,
    "control_request": _Control,
    "control_response": _Control,
    "rate_limit_event": _RateLimit,
}


def checked(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a message of this type that `given` has, by their names in `beam`.

    Raises:
        InvalidInput: an essential field is missing or malformed; the field is the first of these.
    """
    try:
        known: dict[str, Any] = _adapter(_SHAPES.get(kind, _Common)).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        expected = first["msg"].removeprefix("Input should be ")
        raise InvalidInput(where, first["input"], expected) from error
    return known


@cache
def _adapter(shape: type) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
