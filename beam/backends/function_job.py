"""One query on its way through `FunctionThreads`: waiting, running, over."""

from __future__ import annotations

import contextvars
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam.backends.exchange import Exchange
    from beam.backends.function_form import FunctionForm
    from beam.otp import Monitor, Ref, Timer

__all__ = ["Job", "RunJob", "StopJob"]


class Job:
    """A function that is to be run for a query.

    Args:
        form: the function.
        exchange: the query.
        connection: the process that asks; the job ends with it.

    Attributes:
        context: the context variables of who asks.
        watch: the monitor of the connection.
        running: whether it has a thread, or is a task.
        worker: the process on whose thread it runs.
        timer: what will say that it does not end.
        stuck: whether it has not ended although it should have.
    """

    __slots__ = (
        *("connection", "context", "exchange", "form", "running", "stuck"),
        *("timer", "watch", "worker"),
    )

    def __init__(self, form: FunctionForm, exchange: Exchange, connection: Ref[Any]) -> None:
        self.form = form
        self.exchange = exchange
        self.connection = connection
        self.context = contextvars.copy_context()
        self.watch: Monitor | None = None
        self.running = False
        self.worker: Ref[Any] | None = None
        self.timer: Timer | None = None
        self.stuck = False


@dataclass(frozen=True, slots=True)
class RunJob:
    """Cast: run it, now or when its turn comes."""

    job: Job


@dataclass(frozen=True, slots=True)
class StopJob:
    """Cast: nobody waits for it any more."""

    job: Job
