"""Waiting for several tasks at once; see `TasksRef.get_many` and `TasksRef.wait_many`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from beam.errors import CallTimeout, DeadlineExpired, InvalidInput
from beam.otp.arrivals import Arrivals
from beam.otp.clock import deadline_after, seconds_until
from beam.otp.task import Task
from beam.otp.task_killing import kill_all

if TYPE_CHECKING:
    from beam.otp.node import Node

__all__ = ["OnLate", "Waited", "get_many", "wait_many"]

T = TypeVar("T")
OnLate: TypeAlias = Literal["nothing", "ignore", "kill_task"]


class Waited(NamedTuple, Generic[T]):
    """What `wait_many` returns, as `concurrent.futures.wait` does.

    Attributes:
        done: the tasks that have ended, with a value or without, in the order given.
        not_done: the others; those that were killed as the time was over are among them.
    """

    done: list[Task[T]]
    not_done: list[Task[T]]


def get_many(node: Node, tasks: Iterable[Task[T]], timeout: float | None) -> list[T]:
    """Return the values of all tasks; raise as soon as one has failed."""
    found = _checked(tasks)
    pending = set(found)
    until = deadline_after(node.clock, timeout)
    with Arrivals(node) as arrivals:
        for task in dict.fromkeys(found):
            arrivals.watch(task)
        while pending:
            try:
                _wait(arrivals, node, until, pending)
            except DeadlineExpired:
                raise
            except CallTimeout:
                late = next(task for task in found if task in pending)
                raise CallTimeout(late.process, timeout) from None
            while (come := _taken(arrivals)) is not None:
                pending.discard(come)
                if come.failed:
                    come.result()
        return [task.result() for task in found]


def wait_many(
    node: Node,
    tasks: Iterable[Task[T]],
    timeout: float | None,
    limit: int | None,
    on_timeout: OnLate,
) -> Waited[T]:
    """Wait until tasks have ended, or the time is over; deal with those that have not."""
    found = _checked(tasks)
    _check(limit, on_timeout)
    pending = set(found)
    enough = max(0, len(pending) - limit) if limit is not None else 0
    until = deadline_after(node.clock, timeout)
    with Arrivals(node) as arrivals:
        for task in dict.fromkeys(found):
            arrivals.watch(task)
        while len(pending) > enough:
            try:
                _wait(arrivals, node, until, pending)
            except DeadlineExpired:
                raise
            except CallTimeout:
                _deal_with([task for task in found if not task.done], on_timeout)
                break
            while len(pending) > enough and (come := _taken(arrivals)) is not None:
                pending.discard(come)
    return Waited(
        [task for task in found if task not in pending], [one for one in found if one in pending]
    )


def _wait(arrivals: Arrivals, node: Node, until: float | None, pending: set[Task[Any]]) -> None:
    only = next(iter(pending)).process.control if len(pending) == 1 else None
    left = None if until is None else seconds_until(node.clock, until)
    arrivals.wait(timeout=left, callee=only)


def _taken(arrivals: Arrivals) -> Task[Any] | None:
    task = arrivals.take()
    assert task is None or isinstance(task, Task)
    return task


def _deal_with(late: list[Task[Any]], how: OnLate) -> None:
    if how == "kill_task":
        kill_all(list(dict.fromkeys(late)))
    elif how == "ignore":
        for task in late:
            task.ignore()


def _checked(tasks: Iterable[Task[T]]) -> list[Task[T]]:
    given: Any = tasks
    if not isinstance(given, Iterable):
        raise InvalidInput("tasks", given, "tasks, as run() and run_nolink() return them")
    found = list(given)
    for task in found:
        if not isinstance(task, Task):
            raise InvalidInput("tasks", task, "tasks, as run() and run_nolink() return them")
    return found


def _check(limit: object, on_timeout: object) -> None:
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidInput("limit", limit, "a number of tasks, 1 or more, or None")
    if on_timeout not in ("nothing", "ignore", "kill_task"):
        raise InvalidInput("on_timeout", on_timeout, '"nothing", "ignore" or "kill_task"')
