"""Running a function for one query, from its call to the end of the query.

`run` blocks its thread; `run_async` runs on an event loop. Both return how the query has ended, and
raise nothing: whatever a function raises, `SystemExit` and `KeyboardInterrupt` too, is the failure
of this query and of nothing else (G8). A generator is closed at the yield at which it is
interrupted, and a coroutine is cancelled where it waits.

What it reports, from `beam.backends`: `function_failed` (warning: function, session_id, query_id,
and the exception with its traceback), unless the query was over by then.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from beam.backends.effects import Completed, Failed
from beam.backends.exchange import Exchange
from beam.backends.function_answer import answered, ended, failed, streamed
from beam.backends.function_form import FunctionForm
from beam.backends.function_query import AsyncFunctionQuery, FunctionQuery
from beam.logger import Logger
from beam.model.messages import Message, is_terminal

__all__ = ["run", "run_async"]

Now = Callable[[], int]

_log = Logger("beam.backends")


def run(form: FunctionForm, exchange: Exchange, now: Now) -> Completed | Failed:
    """Run a plain function or a generator, and return how its query has ended.

    Args:
        form: the function.
        exchange: its query.
        now: tells the time, Unix milliseconds.
    """
    query_id = exchange.query.query_id
    try:
        result = form.call(exchange.query.prompt, FunctionQuery(exchange))
        if isinstance(result, GeneratorType):
            return _drain(result, exchange, now)
        return answered(query_id, _plain(result), timestamp=now())
    except BaseException as error:  # noqa: BLE001 - see the module
        _report(error, form, exchange)
        return failed(query_id, error, timestamp=now())


async def run_async(form: FunctionForm, exchange: Exchange, now: Now) -> Completed | Failed:
    """Run a coroutine function or an async generator; otherwise as `run`."""
    query_id, task, loop = (
        exchange.query.query_id,
        asyncio.current_task(),
        asyncio.get_running_loop(),
    )
    assert task is not None
    try:
        exchange.on_interrupt(lambda: _cancel(loop, task))
        result = form.call(exchange.query.prompt, AsyncFunctionQuery(exchange))
        if isinstance(result, AsyncGeneratorType):
            return await _drain_async(result, exchange, now)
        return answered(query_id, await result, timestamp=now())
    except BaseException as error:  # noqa: BLE001 - see the module
        _report(error, form, exchange)
        return failed(query_id, error, timestamp=now())


class _Stream:
    """What has been yielded, and what it amounts to.

    Attributes:
        end: how the query has ended, if a message said so.
        last: what was yielded last.
    """

    def __init__(self, exchange: Exchange, now: Now) -> None:
        self.end: Completed | Failed | None = None
        self.last: Any = None
        self._exchange = exchange
        self._now = now

    def take(self, value: Any) -> Message | None:
        """Return the message to be delivered; None if it was the end."""
        message = streamed(value, timestamp=self._now())
        if is_terminal(message):
            self.end = ended(self._exchange.query.query_id, message)
            return None
        self.last = value
        return message

    def answer(self, returned: Any) -> Completed | Failed:
        """Return the end of a query whose function has returned."""
        value = self.last if returned is None else returned
        return answered(self._exchange.query.query_id, value, timestamp=self._now())


def _drain(values: Generator[Any, None, Any], exchange: Exchange, now: Now) -> Completed | Failed:
    stream = _Stream(exchange, now)
    with contextlib.closing(values):
        while True:
            try:
                value = next(values)
            except StopIteration as stop:
                return stream.answer(stop.value)
            message = stream.take(value)
            if message is None:
                break
            place = exchange.place()
            if place is not None:
                place.get()
            exchange.deliver(message)
    assert stream.end is not None
    return stream.end


async def _drain_async(
    values: AsyncGenerator[Any, None], exchange: Exchange, now: Now
) -> Completed | Failed:
    stream = _Stream(exchange, now)
    async with contextlib.aclosing(values):
        async for value in values:
            message = stream.take(value)
            if message is None:
                break
            place = exchange.place()
            if place is not None:
                await place
            exchange.deliver(message)
    return stream.answer(None) if stream.end is None else stream.end


def _report(error: BaseException, form: FunctionForm, exchange: Exchange) -> None:
    if not exchange.interrupted.is_set():
        _log.warning(
            "function_failed",
            function=form.name,
            session_id=exchange.session_id,
            query_id=exchange.query.query_id,
            exc_info=error,
        )


def _plain(result: Any) -> Any:
    """Return what a plain function has returned, if that is an answer."""
    if inspect.iscoroutine(result):
        result.close()
    if inspect.isawaitable(result) or inspect.isasyncgen(result):
        raise TypeError("a function that gives a coroutine must be declared as `async def`")
    return result


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    with contextlib.suppress(RuntimeError):  # The loop is closed: the task has ended with it.
        loop.call_soon_threadsafe(task.cancel)
