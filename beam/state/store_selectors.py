"""Selectors: how a caller says up to which message a history is to be shown.

>>> count_in({"count": 2}, "count"), name_in({"uuid": "u-1"})
(2, 'u-1')
>>> name_in({})
Traceback (most recent call last):
beam.errors.StateRefused: invalid_selector: selector={}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.errors import StateRefused
from beam.state.plain import plain_copy

__all__ = ["count_in", "name_in", "selector_of"]


def selector_of(selector: object) -> Mapping[str, Any]:
    """Return a selector, if it is one.

    Raises:
        StateRefused: `invalid_selector`.
    """
    if not isinstance(selector, Mapping):
        raise StateRefused("invalid_selector", selector=selector)
    copied: Mapping[str, Any] = plain_copy("selector", selector)
    return copied


def count_in(selector: Mapping[str, Any], key: str) -> int | None:
    """Return the count that a selector has under a key, if it has that key.

    Raises:
        StateRefused: `invalid_selector`: it is no whole number from 0.
    """
    if key not in selector:
        return None
    count = selector[key]
    if type(count) is not int or count < 0:
        raise StateRefused("invalid_selector", selector=dict(selector))
    return count


def name_in(selector: Mapping[str, Any]) -> str:
    """Return the message that a selector names.

    Raises:
        StateRefused: `invalid_selector`: it names none.
    """
    for key in ("message_id", "uuid"):
        name = selector.get(key)
        if isinstance(name, str) and name:
            return name
    raise StateRefused("invalid_selector", selector=dict(selector))
