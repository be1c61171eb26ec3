"""What callables can be agents, and in what form."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from beam.backends.function import function
from beam.backends.function_form import FunctionForm
from beam.errors import InvalidInput
from tests.names import shown


class Agent:
    def __call__(self, prompt: str) -> str:
        return prompt

    def method(self, prompt: str, query: Any) -> Any:
        yield query


class AsyncAgent:
    async def __call__(self, prompt: str, *, query: Any) -> str:
        return prompt


async def stream(prompt: str) -> Any:
    yield prompt


def three(mood: str, prompt: str, query: Any) -> str:
    return prompt


@pytest.mark.parametrize(
    ("agent", "kind", "wants_query"),
    [
        pytest.param(len, "plain", False, id="builtin"),
        pytest.param(str, "plain", False, id="class"),
        pytest.param(Agent(), "plain", False, id="object"),
        pytest.param(Agent().method, "generator", True, id="method"),
        pytest.param(AsyncAgent(), "coroutine", True, id="async object"),
        pytest.param(stream, "async_generator", False, id="async generator"),
        pytest.param(functools.partial(stream), "async_generator", False, id="its partial"),
        pytest.param(functools.partial(three, "good"), "plain", True, id="partial"),
        pytest.param(lambda query: query, "plain", False, id="prompt named query"),
        pytest.param(lambda prompt, tone="dry": prompt, "plain", False, id="default"),
        pytest.param(lambda *args, **options: args, "plain", False, id="anything"),
        pytest.param(lambda prompt, *, query=None: prompt, "plain", True, id="by name"),
    ],
)
def test_a_callable_is_seen_for_what_it_is(agent: Any, kind: str, wants_query: bool) -> None:
    form = FunctionForm.of(agent)
    assert (form.kind, form.wants_query) == (kind, wants_query)


@pytest.mark.parametrize(
    "agent",
    [None, "f", lambda: "", lambda prompt, mood: "", lambda *, prompt: "", lambda a, query, /: ""],
    ids=["none", "text", "nothing", "two", "by name", "query by place"],
)
def test_what_cannot_be_called_with_a_prompt_is_refused(agent: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        FunctionForm.of(agent)
    assert caught.value.field == "callable"


@pytest.mark.parametrize(
    ("process", "options"),
    [
        (False, {"max_threads": 0}),
        (False, {"max_tasks": True}),
        (False, {"queue": -1}),
        (False, {"queue": 1.5}),
        (False, {"stuck_after": float("nan")}),
        (False, {"interrupt_grace": 1.0}),
        (False, {"threads": 1}),
        (True, {"max_threads": 1}),
        (True, {"shutdown": -1}),
        ("yes", {}),
    ],
    ids=shown,
)
def test_an_option_that_is_wrong_is_refused_by_name(process: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        function(len, process=process, **options)
    assert caught.value.field == next(iter(options), "process")


def test_coroutines_have_a_limit_of_their_own() -> None:
    assert function(len, max_threads=3, max_tasks=7).limits.slots == 3
    assert function(stream, max_threads=3, max_tasks=7).limits.slots == 7
