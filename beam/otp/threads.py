"""Threads of their own: for a process that declares blocking work, or for every one.

>>> import threading
>>> from beam.otp import Node, Server
>>> from beam.otp.clock import SystemClock
>>> class Who(Server):
...     def who(self):
...         return threading.current_thread().name
>>> clock = SystemClock()
>>> with Node("own", clock=clock, scheduler=Threads(clock, "own")):
...     who = Who.start().proxy()
...     who.who().get() == who.who().get()
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.otp.control import Control, Life
from beam.otp.pool import Pool
from beam.otp.turn import outlive, take_turn

if TYPE_CHECKING:
    from beam.otp.scheduler import Parker, Scheduler

__all__ = ["OwnThread", "Threads"]


class OwnThread:
    """Gives one process its turns, on a thread that ends with it."""

    __slots__ = ("_control", "_parker", "_scheduler", "_started")

    def __init__(self, scheduler: Scheduler, control: Control) -> None:
        self._scheduler = scheduler
        self._control = control
        self._started = False
        self._parker: Parker = scheduler.parker(None)

    def submit(self, control: Control) -> None:
        """Let the thread run the process, whose turn is held for that."""
        if not self._started:
            self._started = True
            self._scheduler.start_thread(f"process-{control.serial}", self._run)
        else:
            self._parker.unpark()

    def _run(self) -> None:
        control = self._control
        while True:
            # Made before the turn can be given back, so that whoever takes it next wakes us.
            self._parker = self._scheduler.parker(None)
            self._scheduler.running[control] = self
            try:
                take_turn(control)
            finally:
                self._scheduler.running.pop(control, None)
            if control.life is Life.DEAD:
                outlive(control)  # It may have been given up since, with a turn that is due.
                return
            self._parker.park(None)


class Threads(Pool):
    """A scheduler that gives every process a thread of its own, as Pykka does.

    Whatever a process declares, its `init` and its handlers run on its thread. For tests that are
    to hold whoever runs the processes; the pool is faster, and takes a tenth of the memory.
    """

    own_threads = True
