"""Frozen dataclasses as plain JSON data, and back.

    >>> from beam.model.runs import RunInfo
    >>> run = RunInfo(run_id="run_1", session_id="session_1", prompt="Hello", created_at=5)
    >>> record = to_record(run)
    >>> record
    {'run_id': 'run_1', 'session_id': 'session_1', 'prompt': 'Hello', 'created_at': 5}
    >>> from_record(RunInfo, record) == run
    True
    >>> from_record(RunInfo, {**record, "prompt": 5})
    Traceback (most recent call last):
    beam.errors.InvalidInput: RunInfo.prompt: expected a valid string, got 5

A record has the fields that differ from their defaults. Reading one is where a file's data enters,
so pydantic checks it there, once; what is in the program already is not checked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from beam.errors import InvalidInput
from beam.model.redaction import redact

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = ["from_record", "set_fields", "to_record"]

T = TypeVar("T")

_NO_DEFAULT = object()


def set_fields(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass instance that differ from their defaults, as they are."""
    shape: type = type(value)
    return {
        name: held
        for name, default in _defaults(shape)
        if (held := getattr(value, name)) is not default and held != default
    }


def to_record(value: Any) -> dict[str, Any]:
    """Return the JSON data of a dataclass instance; its mappings are shared, not copied."""
    return {
        name: list(held) if isinstance(held, tuple) else held
        for name, held in set_fields(value).items()
    }


def from_record(shape: type[T], record: Mapping[str, Any]) -> T:
    """Return the instance of the dataclass `shape` that `record` stands for.

    Raises:
        InvalidInput: a field is missing, unknown or malformed; `field` names it.
    """
    if not isinstance(record, Mapping):
        raise InvalidInput(shape.__name__, type(record).__name__, "an object")
    untyped: type = shape
    known = [name for name, _ in _defaults(untyped)]
    for name in record:
        if name not in known:
            raise InvalidInput(shape.__name__, name, f"fields among {', '.join(known)}")
    adapter = _adapter(untyped)
    # Imported by the adapter: not by everybody who only writes records.
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        checked: T = adapter.validate_python(record)
    except ValidationError as error:
        raise _as_invalid_input(shape, error) from error
    return checked


def _as_invalid_input(shape: type, error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False)[0]
    own = first.get("ctx", {}).get("error")
    if isinstance(own, InvalidInput):
        return own
    where = ".".join(str(part) for part in (shape.__name__, *first["loc"]))
    expected = first["msg"].removeprefix("Input should be ")
    missing = first["type"] == "missing"
    return InvalidInput(where, "nothing" if missing else redact(first["input"]), expected)


@cache
def _defaults(shape: type) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (field.name, field.default_factory() if field.default_factory is not MISSING
         else _NO_DEFAULT if field.default is MISSING else field.default)
        for field in fields(shape)
    )  # fmt: skip


@cache
def _adapter(shape: type) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - as above

    return TypeAdapter(shape)
