"""What a thread that Codex refuses to resume means: with a client that refuses as it is told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from beam.backends import codex
from beam.backends.backend import Opening
from beam.backends.codex_client import JsonRpcError
from beam.backends.codex_thread import CodexThread, enter


class Refusing:
    """Refuses to resume; starts a thread."""

    def __init__(self, code: int, message: str) -> None:
        self._error = JsonRpcError(code, message)

    async def call(self, function: Any, *given: Any) -> Any:
        return function(*given)

    def thread_resume(self, *_: Any) -> Any:
        raise self._error

    def thread_start(self, *_: Any) -> Any:
        return SimpleNamespace(model="m", thread=SimpleNamespace(id="t-2"))


def entered(code: int, message: str) -> CodexThread:
    opening = Opening(cast("Any", None), "s", resume="t-1")
    client = cast("Any", Refusing(code, message))
    return asyncio.run(enter(client, opening, codex(), {}))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32600, "no rollout found for thread id t-1"),
        (-32600, "invalid thread id"),
        (-32601, "method not found"),
        (-32603, "something else"),
    ],
)
def test_a_thread_that_codex_does_not_know_is_begun_anew(code: int, message: str) -> None:
    thread = entered(code, message)
    assert (thread.id, thread.continued, thread.told) == ("t-2", "transcript", False)


@pytest.mark.parametrize(
    "message", ["529 overloaded", "429 Too Many Requests", "401 Unauthorized", "usage limit"]
)
def test_a_thread_that_cannot_be_resumed_just_now_is_not_begun_anew(message: str) -> None:
    with pytest.raises(JsonRpcError, match=message):
        entered(-32603, message)
