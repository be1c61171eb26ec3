"""`function`: any Python callable, generator or coroutine, as a backend.

    >>> def review(prompt, query):
    ...     yield "Looking at it..."
    ...     yield "Not bad."
    >>> backend = function(review, max_threads=8)
    >>> backend.form.name, backend.limits.slots
    ('review', 8)
    >>> function(lambda prompt: prompt.upper(), process=True).check()
    Traceback (most recent call last):
    ...
    beam.errors.InvalidInput: callable: expected a function that can be pickled, got '<lambda>'

| the callable is | it runs |
|---|---|
| a function, or a generator | on a thread, while a query runs |
| `async def`, with or without `yield` | as a task of the one loop thread |
| with `process=True`, any of them | in an OS process of its own, one for each session |

It is called with the prompt, and, if it has a parameter `query`, with the query and what may be
asked back (`function_query`). What it yields is streamed, what it returns is the answer
(`function_answer`). What it raises fails the query with `backend_error`; the session lives on.

A function on a thread can be told to stop, and not be made to (G9, `function_threads`). What may
hang, or take the interpreter down, belongs in a process: there it is killed with all that it has
started. Such a callable is sent over by pickle, so it must stand at the top of a module; a program
that is run as a script must have the guard that `multiprocessing` asks for too,
`if __name__ == "__main__":`, for its functions to be found over there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, overload

from beam.backends.backend import Backend, Opening
from beam.backends.command import check_seconds
from beam.backends.function_connection import FunctionConnection
from beam.backends.function_form import FunctionForm
from beam.backends.function_process import FunctionProcessBackend
from beam.backends.function_threads import FunctionLimits, FunctionThreads
from beam.errors import InvalidInput
from beam.otp import child

if TYPE_CHECKING:
    from typing import Literal

    from beam.otp import ChildSpec, Ref

__all__ = ["FunctionBackend", "function"]

MAX_THREADS = 32
MAX_TASKS = 1000
QUEUE = 1000
STUCK_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class FunctionBackend(Backend):
    """A function that runs in this Python process; `function` makes it.

    Attributes:
        form: the function.
        limits: how much of it may be at work, for all sessions together.
    """

    kind: ClassVar[str] = "function"

    form: FunctionForm
    limits: FunctionLimits

    def check(self) -> None:
        """Accept: what cannot work was refused when it was made."""

    def children(self, name: str) -> Sequence[ChildSpec]:
        """Return the process that runs the function for all sessions."""
        process = threads_name(name)
        return (child(FunctionThreads, self.limits, id=process, name=process),)

    def connect(self, name: str, opening: Opening) -> Ref[Any]:
        """Start a connection linked to the calling session; it is ready at once."""
        return FunctionConnection.start_link(self.form, threads_name(name), opening)


def threads_name(name: str) -> tuple[str, str]:
    """Return what the process is registered under that runs the functions of a backend."""
    return ("function_threads", name)


@overload
def function(
    agent: Callable[..., Any],
    /,
    *,
    max_threads: int = ...,
    max_tasks: int = ...,
    queue: int = ...,
    stuck_after: float = ...,
) -> FunctionBackend: ...
@overload
def function(
    agent: Callable[..., Any],
    /,
    *,
    process: Literal[True],
    interrupt_grace: float = ...,
    shutdown: float = ...,
    grace: float = ...,
) -> FunctionProcessBackend: ...
@overload
def function(
    agent: Callable[..., Any], /, *, process: bool, **options: Any
) -> FunctionBackend | FunctionProcessBackend: ...
def function(
    agent: Callable[..., Any], /, *, process: bool = False, **options: Any
) -> FunctionBackend | FunctionProcessBackend:
    """Return a backend whose agent is a Python callable.

    Args:
        agent: a function of the prompt, and of the query if it has a parameter of that name.
        process: run it in an OS process of its own, for each session.
        options: on threads and the loop, for all sessions together:
            `max_threads` (32): how many run at once, if it is no coroutine;
            `max_tasks` (1000): how many run at once, if it is one;
            `queue` (1000): how many queries wait for that; over it they fail with `backend_busy`;
            `stuck_after` (5.0): seconds that it has to come back when its query is over, before
            another may run in its place.
            In a process, as of `command`: `interrupt_grace` (5.0), `shutdown` (5.0), `grace` (2.0).

    Raises:
        InvalidInput: the callable cannot be called with a prompt; an option is unknown, or belongs
            to the other way of running, or is not what it must be.
    """
    form = FunctionForm.of(agent)
    if not isinstance(process, bool):
        raise InvalidInput("process", process, "True or False")
    known = _OF_PROCESSES if process else _OF_THREADS
    for name, value in options.items():
        if name not in known:
            raise InvalidInput(name, value, _expected(name, process=process))
    if process:
        return FunctionProcessBackend.of(form, **options)
    return FunctionBackend(form, _limits(form, **options))


_OF_THREADS = ("max_threads", "max_tasks", "queue", "stuck_after")
_OF_PROCESSES = ("interrupt_grace", "shutdown", "grace")


def _expected(name: str, *, process: bool) -> str:
    here, elsewhere = ("process=True", "no process") if process else ("no process", "process=True")
    known = ", ".join(_OF_PROCESSES if process else _OF_THREADS)
    if name in (*_OF_PROCESSES, *_OF_THREADS):
        return f"this option with {elsewhere} only; with {here} there are {known}"
    return f"no option of this name; there are {known}"


def _limits(
    form: FunctionForm,
    *,
    max_threads: int = MAX_THREADS,
    max_tasks: int = MAX_TASKS,
    queue: int = QUEUE,
    stuck_after: float = STUCK_AFTER_S,
) -> FunctionLimits:
    _check_count("max_threads", max_threads, 1)
    _check_count("max_tasks", max_tasks, 1)
    _check_count("queue", queue, 0)
    check_seconds("stuck_after", stuck_after)
    return FunctionLimits(max_tasks if form.is_async else max_threads, queue, stuck_after)


def _check_count(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidInput(name, value, f"a whole number of at least {least}")
