"""A run's terms, as its caller says them: checked before anything has changed.

>>> work = work_of("run_1", "Hello", {"timeout": 5, "retries": 2}, SessionOptions(on_crash="retry"))
>>> work.timeout, work.retries, work.on_crash
(5, 2, 'retry')
>>> work_of("run_1", "Hello", {"timeuot": 5}, SessionOptions())
Traceback (most recent call last):
    ...
beam.errors.InvalidInput: option: expected one of metadata, on_crash, ..., got 'timeuot'
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.model.encoding import encode
from beam.model.runs import parse_on_crash
from beam.sessions.attached import prepared
from beam.sessions.options import SessionOptions, check_count, check_json, check_seconds
from beam.sessions.past import Work

if TYPE_CHECKING:
    from beam.model.attachments import Prepared

__all__ = ["PROMPT_BYTES", "work_of"]

PROMPT_BYTES = 32 * 1024 * 1024
"""The most bytes of a prompt, with what goes with it; the log has room for twice as many."""

_KNOWN = ("metadata", "on_crash", "params", "retries", "timeout")


def work_of(run_id: str, prompt: str, terms: Mapping[str, Any], options: SessionOptions) -> Work:
    """Return the run that a caller wants.

    Args:
        run_id: its name.
        prompt: what to ask.
        terms: what the caller said; see `SessionHandle.query`.
        options: the session's, which count where the caller said nothing.

    Raises:
        InvalidInput: a term is unknown, or not what it must be.
    """
    for name in terms:
        if name not in _KNOWN:
            raise InvalidInput("option", name, f"one of {', '.join(_KNOWN)}")
    if not isinstance(prompt, str):
        raise InvalidInput("prompt", prompt, "text")
    timeout = terms.get("timeout", options.timeout)
    if timeout is not None:
        check_seconds("timeout", timeout)
    retries = terms.get("retries", options.retries)
    if retries is not None:
        check_count("retries", retries, at_least=0)
    given, attached = _params(terms, options)
    work = Work(
        run_id=run_id,
        prompt=prompt,
        params=given,
        attachments=attached,
        timeout=timeout,
        on_crash=parse_on_crash(terms.get("on_crash", options.on_crash)),
        retries=retries,
        metadata=_data("metadata", terms),
    )
    if len(encode(work.as_data()).encode()) > PROMPT_BYTES:
        _refuse_size(work)
    return work


def _params(
    terms: Mapping[str, Any], options: SessionOptions
) -> tuple[dict[str, Any], Prepared | None]:
    """Return the params without the attachments, and the attachments."""
    params = terms.get("params")
    if not isinstance(params, Mapping) or "attachments" not in params:
        return _data("params", terms), None
    others = dict(params)
    attachments = others.pop("attachments")
    # The rest first: it costs no reading.
    given = _data("params", {"params": others})
    return given, prepared(attachments, options)


def _refuse_size(work: Work) -> None:
    attached = work.attachments
    if attached is not None and len(encode(attached.as_data()).encode()) > PROMPT_BYTES // 2:
        expected = f"at most {PROMPT_BYTES} bytes together with the prompt"
        raise InvalidInput("attachments", f"{len(attached.blocks)} of them", expected)
    raise InvalidInput("prompt", f"{work.prompt[:80]}...", f"at most {PROMPT_BYTES} bytes")


def _data(name: str, terms: Mapping[str, Any]) -> dict[str, Any]:
    value = terms.get(name)
    if value is None:
        return {}
    check_json(name, value)
    return dict(value)
