"""Plain data on its way into a table: checked, and copied so that nobody outside changes it.

    >>> given = {"headers": ["a"]}
    >>> kept = plain_copy("config", given)
    >>> given["headers"].append("b")
    >>> kept
    {'headers': ['a']}

Mappings are copied as dicts, lists and tuples as themselves, at any depth; everything else is
shared. What is handed out of a table is copied as well where it is handed out whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.errors import InvalidInput

__all__ = ["plain_copy", "text"]


def plain_copy(field: str, value: Any) -> Any:
    """Return a copy of `value` whose containers nobody else holds.

    Args:
        field: what the caller calls the value, for the error.
        value: any value; only mappings, lists and tuples are copied.

    Raises:
        InvalidInput: the value contains itself, or is nested too deep to be walked.
    """
    try:
        return _copy(value)
    except RecursionError as error:
        raise InvalidInput(
            field, type(value).__name__, "data that does not nest for ever"
        ) from error


def text(field: str, value: object) -> str:
    """Return the value if it is a non-empty string that UTF-8 has a form for.

    Raises:
        InvalidInput: it is not.
    """
    if isinstance(value, str) and value and (value.isascii() or _has_a_form(value)):
        return value
    raise InvalidInput(field, value, "a non-empty string")


def _has_a_form(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # Half of a character, say.
        return False
    return True


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    if type(value) is tuple:
        return tuple(_copy(item) for item in value)
    return value
