"""How a model server's failure is told, whichever client met it; and whether to try again.

    >>> class Refusal(Exception):
    ...     status_code = 429
    ...     body = {"error": {"code": "insufficient_quota"}}
    >>> failed = failed_as(Refusal("You exceeded your current quota"))
    >>> failed.reason, failed.exit.kind, transient(failed)
    (('status', 429), 'quota', False)
    >>> transient(failed_as(ConnectionResetError("reset")))
    True

The clients are not imported for this: what they raise has `status_code`, `response` and `body`, or
is known by its name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from beam.errors import InvalidInput, ProviderFailed
from beam.model.exit_reasons import ExitReason, of_http, of_text
from beam.model.masking import redact_text

if TYPE_CHECKING:
    from beam.providers.pace import Pace

__all__ = [
    "RETRIES",
    "check_wait",
    "failed_as",
    "first_word",
    "retrying",
    "transient",
    "word_for",
]

T = TypeVar("T")

RETRIES = 3
"""How often a poll is tried again."""

_REFUSED = 400
_TIMEOUT = 408
_SERVER_ERRORS = 500
_TIMEOUTS = frozenset({"APITimeoutError", "ConnectTimeout", "ReadTimeout", "WriteTimeout"})
_BROKEN = frozenset(
    {"APIConnectionError", "ConnectError", "ReadError", "WriteError", "RemoteProtocolError"}
)


def failed_as(error: BaseException, secrets: Iterable[str] = ()) -> ProviderFailed:
    """Return the failure that an exception of a client stands for.

    Args:
        error: what was raised.
        secrets: values that must not stand in what is told.

    Returns:
        It. To be raised `from None`: a client's exception holds its request, and the key in that.
    """
    if isinstance(error, ProviderFailed):
        return error
    detail = redact_text(f"{type(error).__name__}: {error}", secrets)
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        body = redact_text(_body(error), secrets)
        if status < _REFUSED:
            return _of_stream(error, detail, body)
        exit = of_http(status, {str(key): str(value) for key, value in headers.items()}, body)
        return ProviderFailed(("status", status), detail, exit)
    word = _word(error)
    if word is not None:
        exit = ExitReason("overloaded", detail=detail)
        return ProviderFailed(word, detail, exit)
    if isinstance(error, json.JSONDecodeError):
        return ProviderFailed("not_json", detail, ExitReason("protocol", detail=detail))
    exit = of_text(detail) or ExitReason("agent_error", detail=detail)
    return ProviderFailed(("provider_error", type(error).__name__), detail, exit)


def transient(error: ProviderFailed) -> bool:
    """Say whether the same request may do better in a moment. One that was throttled may not."""
    match error.reason:
        case ("status", int(status)):
            return status == _TIMEOUT or status >= _SERVER_ERRORS
        case ("stream_error", "overloaded_error" | "api_error"):
            return True
        case "timeout" | "closed" | "refused" | "reset" | "connect_timeout" | "not_connected":
            return True
    return False


def word_for(error: BaseException) -> str:
    """Return a failure's word for telemetry: the first of its reason, or a refusal's status."""
    match getattr(error, "reason", None):
        case ("status", int(status)) | (*_, ("status", int(status))):
            return f"status_{status}"
        case (str(word), *_) | str(word):
            return first_word(word)
    return type(error).__name__


def first_word(text: str) -> str:
    """Return what stands before a colon, behind which there may be what somebody has said."""
    return text.partition(":")[0]


def check_wait(value: Any) -> None:
    """Refuse a wait between tries that is no number of seconds.

    Raises:
        InvalidInput: naming `retry_wait`.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InvalidInput("retry_wait", value, "a number of seconds, 0 or more")


async def retrying(
    pace: Pace,
    attempt: Callable[[], Awaitable[T]],
    *,
    wait: float = 1.0,
    may_retry: Callable[[], bool] = lambda: True,
) -> T:
    """Return what an attempt returns; try again while it fails in a way that may pass.

    Args:
        pace: the time to wait by.
        attempt: tries once; raises `ProviderFailed`.
        wait: the seconds before the second try, doubled for each after it.
        may_retry: whether it may be tried again at all, asked after a failure.

    Raises:
        ProviderFailed: the last one.
    """
    for tries in range(RETRIES + 1):
        try:
            return await attempt()
        except ProviderFailed as error:
            if tries == RETRIES or not transient(error) or not may_retry():
                raise
            await pace.sleep(wait * 2.0**tries)
    raise AssertionError("the last try returns or raises")


def _of_stream(error: BaseException, detail: str, body: str) -> ProviderFailed:
    """Return a failure that came as an event of a stream which had begun well."""
    said = getattr(error, "body", None)
    about = said.get("error") if isinstance(said, Mapping) else None
    kind = about.get("type") if isinstance(about, Mapping) else None
    exit = of_text(body) or ExitReason("agent_error", detail=detail)
    if kind == "api_error" and exit.kind == "agent_error":
        exit = ExitReason("overloaded", detail=detail)
    return ProviderFailed(("stream_error", str(kind or "error")), detail, exit)


def _word(error: BaseException) -> str | None:
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, TimeoutError) or names & _TIMEOUTS:
        return "connect_timeout" if "ConnectTimeout" in names else "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionResetError):
        return "reset"
    if isinstance(error, ConnectionError | EOFError):
        return "closed"
    return "not_connected" if names & _BROKEN else None


def _body(error: BaseException) -> str:
    body = getattr(error, "body", None)
    if body is None:
        return str(error)
    try:
        return body if isinstance(body, str) else json.dumps(body, default=str)
    except (TypeError, ValueError):
        return str(error)
