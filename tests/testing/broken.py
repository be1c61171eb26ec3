"""Backends that break a promise each, for a conformance suite to find out."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import beam
from beam.backends.agent_backend import AgentBackend
from beam.backends.driver import Driver
from beam.backends.effects import Completed, Ready
from beam.backends.turn_limits import TurnLimits
from beam.model.messages import Message, ResultMessage, ToolMessage
from tests.testing.obedient import CHARGES, DIRECTIVE, obey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.backends.backend import Backend, Opening, Query
    from beam.backends.talk import Talk


def words_of(prompt: str) -> tuple[str, str]:
    verb, rest = DIRECTIVE.findall(prompt)[-1]
    return verb, rest


# Functions


def _result(prompt: str, query: Any) -> ResultMessage:
    """Obey, and say nothing but the result."""
    obeyed = obey(prompt, query)
    while True:
        try:
            next(obeyed)
        except StopIteration as over:
            result: ResultMessage = over.value
            return result


def _with_usage(change: Callable[[dict[str, int], int], dict[str, int]]) -> Backend:
    turns: list[str] = []

    def counts(prompt: str, query: Any) -> ResultMessage:
        turns.append(prompt)
        usage = change(dict(CHARGES), len(turns))
        return ResultMessage(content=_result(prompt, query).content, usage=usage)

    return beam.function(counts)


def counts_twice() -> Backend:
    return _with_usage(lambda usage, turn: {name: 2 * count for name, count in usage.items()})


def counts_the_cache_as_input_too() -> Backend:
    def with_cache(usage: dict[str, int], turn: int) -> dict[str, int]:
        return usage | {"input_tokens": usage["input_tokens"] + usage["cache_read_tokens"]}

    return _with_usage(with_cache)


def counts_reasoning_as_output() -> Backend:
    def without_reasoning(usage: dict[str, int], turn: int) -> dict[str, int]:
        return usage | {"output_tokens": usage["output_tokens"] + usage.pop("reasoning_tokens")}

    return _with_usage(without_reasoning)


def tells_the_sum_of_all_turns() -> Backend:
    return _with_usage(lambda usage, turn: {name: turn * count for name, count in usage.items()})


def tells_no_usage() -> Backend:
    return beam.function(lambda prompt, query: _result(prompt, query).content)


def answers_with_the_answer_before() -> Backend:
    answers: list[str] = ["nothing yet"]

    def late(prompt: str, query: Any) -> str:
        answers.append(_result(prompt, query).content)
        return answers[-2]

    return beam.function(late)


def forgets() -> Backend:
    def forgetful(prompt: str, query: Any) -> Any:
        return _result(prompt, _Alone(query))

    return beam.function(forgetful)


class _Alone:
    """A query without what was said before."""

    history = ()

    def __init__(self, query: Any) -> None:
        self.interrupted = query.interrupted


def answers_in_place_of_failing() -> Backend:
    def cheerful(prompt: str, query: Any) -> str:
        try:
            return _result(prompt, query).content
        except RuntimeError as error:
            return f"Sorry: {error}"

    return beam.function(cheerful)


def does_what_was_denied() -> Backend:
    def stubborn(prompt: str, query: Any) -> str:
        verb, rest = words_of(prompt)
        if verb == "write":
            query.ask_permission("write", {"path": rest})
            Path(rest).write_text("made")
        return rest

    return beam.function(stubborn)


def asks_nobody() -> Backend:
    def careless(prompt: str) -> str:
        verb, rest = words_of(prompt)
        if verb == "write":
            Path(rest).write_text("made")
        return rest

    return beam.function(careless)


def leaves_an_orphan() -> Backend:
    """Start a program that starts another and ends: nobody is the parent of what is left."""
    sleeper = "import time; time.sleep(60)"
    start = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleeper!r}])"

    def careless(prompt: str) -> str:
        subprocess.run([sys.executable, "-c", start], check=True)
        return words_of(prompt)[1]

    return beam.function(careless)


def says_it_all_at_the_end() -> Backend:
    def patient(prompt: str, query: Any) -> Iterator[str]:
        yield from list(obey(prompt, query))

    return beam.function(patient)


def says_a_piece_twice() -> Backend:
    def stutters(prompt: str) -> Iterator[Any]:
        text = words_of(prompt)[1]
        yield text[:3]
        yield text
        yield ResultMessage(content=text)

    return beam.function(stutters)


def _calls(told: Callable[[str, dict[str, Any], str], Iterator[ToolMessage]]) -> Backend:
    def caller(prompt: str) -> Iterator[Any]:
        given = {"a": 2, "b": 3}
        yield from told("t1", given, "5")
        yield ResultMessage(content="5")

    return beam.function(caller)


def tells_a_call_without_its_result() -> Backend:
    def told(name: str, given: dict[str, Any], content: str) -> Iterator[ToolMessage]:
        yield ToolMessage("tool_use", tool_use_id=name, tool_name="add", tool_input=given)

    return _calls(told)


def tells_a_result_under_another_id() -> Backend:
    def told(name: str, given: dict[str, Any], content: str) -> Iterator[ToolMessage]:
        yield ToolMessage("tool_use", tool_use_id=name, tool_name="add", tool_input=given)
        yield ToolMessage("tool_result", content, tool_use_id=f"of {name}", tool_name="add")

    return _calls(told)


def calls_without_the_session() -> Backend:
    def told(name: str, given: dict[str, Any], content: str) -> Iterator[ToolMessage]:
        yield ToolMessage("tool_use", tool_use_id=name, tool_name="add", tool_input=given)
        yield ToolMessage("tool_result", content, tool_use_id=name, tool_name="add")

    return _calls(told)


# Drivers


async def passes(seconds: float) -> None:
    """Let so much time of the agent's pass."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


class _Plain(Driver):
    """An agent in a coroutine, which only says what it is told to."""

    async def open(self) -> Ready:
        return Ready("plain", "1", ("interrupt",))

    async def ask(self, query: Query) -> Completed:
        verb, rest = words_of(query.prompt)
        if verb == "slow":
            for number in range(int(rest)):
                await passes(0.5)
                self.talk.say(Message("text", f"{number} "))
        if verb == "silent":
            await self.fall_silent()
        return Completed(query.query_id, ResultMessage(content=rest))

    async def fall_silent(self) -> None:
        await asyncio.Event().wait()

    async def interrupt(self) -> None:
        """It cannot be asked."""


class _AnswersTwice(_Plain):
    async def ask(self, query: Query) -> Completed:
        done = await super().ask(query)
        self.talk.say(done.message)
        return done


class _DeafToInterrupts(_Plain):
    async def ask(self, query: Query) -> Completed:
        work = asyncio.ensure_future(super().ask(query))
        while not work.done():
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                if self.closed:
                    work.cancel()
        return work.result()

    closed = False

    def abandon(self) -> None:
        self.closed = True


class _CallsItsOwnBeatASign(_Plain):
    async def fall_silent(self) -> None:
        while True:
            await passes(0.1)
            self.talk.heard()


class _SwallowsWhatItIsTold(_Plain):
    async def steer(self, text: str) -> bool:
        return True


@dataclass(frozen=True)
class Plain(AgentBackend):
    """A backend of one of these drivers."""

    kind = "function"
    made: type[Driver] = _Plain
    turn: TurnLimits = field(default_factory=lambda: TurnLimits(interrupt_grace=0.2))

    def check(self) -> None:
        """Accept."""

    def program(self, opening: Opening) -> None:
        return None

    def driver(self, talk: Talk, wire: object) -> Driver:
        return self.made(talk, None)


def answers_twice() -> Backend:
    return Plain(made=_AnswersTwice)


def is_deaf_to_interrupts() -> Backend:
    return Plain(made=_DeafToInterrupts)


def calls_its_own_beat_a_sign_of_life() -> Backend:
    return Plain(made=_CallsItsOwnBeatASign)


def swallows_what_it_is_told_in_a_turn() -> Backend:
    return Plain(made=_SwallowsWhatItIsTold)
