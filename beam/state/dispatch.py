"""`dispatch`: what a client may ask of control by name, as it is written on the wire.

>>> parse_dispatch("session_1", "setModel", {"model": "large"})
Setting(key='model', value='large', subtype='model_updated')
>>> parse_dispatch("session_1", "setModel", {})
Traceback (most recent call last):
beam.errors.StateRefused: missing_param: session_id='session_1', param='model'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from beam.errors import InvalidInput, StateRefused
from beam.state.session_config import SessionConfig

__all__ = ["Setting", "parse_dispatch"]

# By method: the param as the wire has it, as Python has it, and what is told when it was set.
_METHODS: Mapping[str, tuple[str, str, str]] = {
    "setModel": ("model", "model", "model_updated"),
    "setPermissionMode": ("permissionMode", "permission_mode", "permission_mode_updated"),
    "setMaxThinkingTokens": (
        "maxThinkingTokens",
        "max_thinking_tokens",
        "max_thinking_tokens_updated",
    ),
    "stopTask": ("taskId", "task_id", "task_stop_requested"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What one dispatch sets.

    Attributes:
        key: the name in the configuration; `task_id` of a task to be stopped.
        value: the value.
        subtype: what is told of it.
    """

    key: str
    value: Any
    subtype: str

    def put_into(self, config: SessionConfig) -> SessionConfig:
        """Return the configuration with it."""
        return config.with_value(self.key, self.value)


def parse_dispatch(session_id: str, method: str, params: Mapping[str, Any]) -> Setting:
    """Return what a method with these params sets.

    Raises:
        InvalidInput: the params are no mapping.
        StateRefused: `unknown_method`; `missing_param` or `invalid_param` with `param`.
    """
    if not isinstance(params, Mapping):
        raise InvalidInput("params", type(params).__name__, "a mapping")
    if type(method) is not str or method not in _METHODS:
        raise StateRefused("unknown_method", session_id=session_id, method=method)
    on_wire, key, subtype = _METHODS[method]
    value = params.get(on_wire, params.get(key))
    if value is None:
        raise StateRefused("missing_param", session_id=session_id, param=key)
    if not _is_right(key, value):
        raise StateRefused("invalid_param", session_id=session_id, param=key, value=value)
    return Setting(key, value, subtype)


def _is_right(key: str, value: object) -> bool:
    if key == "max_thinking_tokens":
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    return isinstance(value, str) and bool(value)
