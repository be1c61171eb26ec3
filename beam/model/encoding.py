"""The one JSON text of a value: sorted, compact, strict, and the same for equal values.

    >>> encode({"b": [1, 2.5], "a": "é"})
    '{"a":"é","b":[1,2.5]}'
    >>> decode('{"a":"é"}')
    {'a': 'é'}
    >>> decode('{"cost": NaN}')
    Traceback (most recent call last):
    beam.errors.InvalidInput: JSON: expected numbers that JSON has, got 'NaN'

The log keeps what `encode` returns, so what it takes is what JSON can give back:
`decode(encode(x))` equals `x`, save that tuples come back as lists. What JSON would bend without a
word is refused: keys that are not text, NaN and the infinities. The text can always be written as
UTF-8: a lone surrogate, which has no bytes there, is written as its escape.
"""

from __future__ import annotations

import json
import math
from typing import Any, Never

from beam.errors import InvalidInput

__all__ = ["decode", "encode"]

_SHOWN = 80
"""How much of a refused text an error quotes, in characters."""

_to_text = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
_to_ascii = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def encode(value: Any) -> str:
    """Return the canonical JSON text of `value`.

    Args:
        value: dicts with text keys, lists, tuples, text, finite numbers, booleans and None, to
            any depth that Python's recursion limit allows.

    Raises:
        InvalidInput: something in `value` is not of those, or contains itself.
    """
    try:
        _refuse_odd_keys(value)
        text = _to_text(value)
        return text if text.isascii() or _has_utf8(text) else _to_ascii(value)
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput("value", type(value).__name__, f"JSON data ({error})") from error


def decode(text: str | bytes) -> Any:
    """Return the value that the JSON `text` stands for.

    Stricter than Python's own reader, which takes NaN, the infinities and numbers too large for
    a float: `encode` could not write them again.

    Raises:
        InvalidInput: the text is not JSON, or not UTF-8, or is nested too deep.
    """
    try:
        if isinstance(text, str):
            return _from_text(text)
        return json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput("JSON", text[:_SHOWN], f"JSON text ({error})") from error


def _refuse_odd_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidInput("key", key, "text, as JSON's keys are")
            if isinstance(item, dict | list | tuple):
                _refuse_odd_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, dict | list | tuple):
                _refuse_odd_keys(item)


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse_number(digits)


def _refuse_number(digits: str) -> Never:
    raise InvalidInput("JSON", digits, "numbers that JSON has")


# Made once: to make one takes as long as to read an event.
_from_text = json.JSONDecoder(parse_constant=_refuse_number, parse_float=_finite).decode
