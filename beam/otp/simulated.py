"""The simulation's scheduler: one process at a time, chosen by a seed, on virtual time.

    >>> from beam.otp import Node, Server
    >>> from beam.otp.virtual_time import VirtualClock
    >>> class Sleeper(Server):
    ...     def nap(self, hours):
    ...         self.sleep(hours * 3600.0)
    ...         return self.node.clock.now()
    >>> clock = VirtualClock(seed=1)
    >>> with Node(clock=clock, scheduler=Simulated(clock, lambda count: 0)):
    ...     Sleeper.start().proxy().nap(8).get(timeout=100_000.0)
    28800.0

Everything runs on one thread. A turn runs on a greenlet, a *fiber*; when its process waits, in a
call or in `sleep`, the fiber is left where it is and the next is chosen. The code outside of the
processes, the test, is a fiber, too: the others run while it waits. When nobody can go on, time
jumps to the next thing that is due; when nothing is, that is a deadlock, raised in the test.

It is a scheduler like the others (`beam.otp.scheduler`), and knows nothing of faults or histories:
who is next is asked of a function, and `beam.testing` gives it one.
"""

from __future__ import annotations

import contextvars
import math
import threading
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent, greenlet

from beam.errors import Deadlock, Livelock, NotSimulated
from beam.otp.context import here
from beam.otp.control import Control
from beam.otp.interrupt import HeldInterrupt, hold
from beam.otp.turn import take_turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from beam.otp.scheduler import Cell
    from beam.otp.virtual_time import VirtualClock

__all__ = ["Simulated"]

# How many turns there may be at one and the same time: more are an endless loop of messages.
STEPS = 1_000_000


class _Parker:
    """A fiber's place to wait."""

    __slots__ = ("_fiber", "_let_go", "_scheduler", "control")

    def __init__(self, scheduler: Simulated, control: Control | None) -> None:
        self._scheduler = scheduler
        self._fiber: greenlet | None = None
        self._let_go = False
        self.control = control
        """The process that waits in the middle of its turn; `None` if it, or whoever it is, waits
        for whatever comes."""

    def park(self, deadline: float | None) -> bool:
        """Hand the turn on until `unpark`, or until the clock reads `deadline`."""
        if self._let_go:
            return True
        scheduler = self._scheduler
        fiber = self._fiber = getcurrent()
        cell: Cell | None = None
        if deadline is not None and deadline < math.inf:
            cell = scheduler.clock.call_at(deadline, lambda: scheduler.wake(fiber))
        try:
            scheduler.wait(fiber, self)
        finally:
            self._fiber = None
            if cell is not None:
                cell.clear()
        return self._let_go

    def unpark(self) -> None:
        """Let the fiber go on when it is chosen."""
        self._let_go = True
        if self._fiber is not None:
            self._scheduler.wake(self._fiber)


class Simulated:
    """Runs one process at a time.

    Args:
        clock: the virtual time; only this scheduler may move it.
        choose: `choose(count)` returns who of `count` that can run is next, from 0 on; 0 is who
            has been ready for longest.
        steps: how many turns there may be at one time.
    """

    messages = 1
    own_threads = False
    simulated = True

    def __init__(
        self, clock: VirtualClock, choose: Callable[[int], int], *, steps: int = STEPS
    ) -> None:
        self.clock = clock
        self.running: dict[Control, object] = {}
        self.steps = 0
        """How many turns there have been."""
        self.on_the_way = 0
        """How much is yet to come that is no timer: mail that is delayed, a turn that is."""
        self._choose = choose
        self._most = steps
        self._thread = threading.get_ident()
        self._context: contextvars.Context | None = None
        # What can run: a process whose turn is due, a fiber that waits no more, or what begins.
        # Bounded by the processes there are: none is in it twice.
        self._ready: list[Any] = []
        self._waiting: dict[greenlet, _Parker | None] = {}
        self._idle: list[greenlet] = []
        self._main = getcurrent()
        self._cradle = greenlet(self._bear, self._main)
        self._error: BaseException | None = None
        self._held: HeldInterrupt | None = None
        self._resting: dict[greenlet, float | None] = {}
        self._stood_since = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<Simulated: {len(self._ready)} ready, {len(self._waiting)} waiting>"

    # The port

    def submit(self, control: Control) -> None:
        """Take a process whose turn the caller holds."""
        self.check_thread()
        self._ready.append(control)

    def parker(self, control: Control | None) -> _Parker:
        """Return a place to wait."""
        self.check_thread()
        return _Parker(self, control)

    def start_thread(self, name: str, main: Callable[[], None]) -> None:
        """Run `main` on a fiber of its own."""
        self.check_thread()
        self._ready.append(main)

    def call_at(self, when: float, action: Callable[[], None], *, background: bool = False) -> Cell:
        """Run `action` when the clock reads `when`."""
        self.check_thread()
        return self.clock.call_at(when, action, background=background)

    def abandon(self, control: Control) -> None:
        """Leave the fiber where it is; it is ended with the simulation."""

    def frames(self) -> list[FrameType]:
        """Return the innermost frame of each fiber that waits."""
        return [fiber.gr_frame for fiber in self._waiting if fiber.gr_frame is not None]

    def stop(self) -> None:
        """End every fiber but the test's, where it waits."""
        if self._closed:
            return
        self._closed = True
        self._ready.clear()
        for fiber in [*self._waiting, *self._idle, self._cradle]:
            if fiber is not self._main and fiber is not getcurrent():
                fiber.parent = getcurrent()
                fiber.throw(GreenletExit)
        self._waiting.clear()
        self._idle.clear()
        # A thread's first greenlet must not outlive the thread: greenlet 3.5 frees it with the
        # thread's state, and the garbage collector falls over who still refers to it.
        del self._main, self._cradle

    # Waiting

    def wake(self, fiber: greenlet) -> None:
        """Count a fiber that waits among those that can run."""
        self.check_thread()
        if self._waiting.pop(fiber, self) is not self:
            self._ready.append(fiber)

    def wait(self, fiber: greenlet, parker: _Parker | None) -> None:
        """Leave `fiber`, the one that runs, where it is until it is woken and chosen."""
        self.check_thread()
        if self._closed:
            raise GreenletExit
        self._waiting[fiber] = parker
        if self._context is None:
            self._context = contextvars.copy_context()
        # Whatever the user's Ctrl-C falls into, it is raised in the test (G8).
        held = hold() if fiber is self._main else None
        if held is not None:
            self._held = held
        # What is kept for a thread is kept for a fiber here.
        state = here.__dict__.copy()
        here.__dict__.clear()
        try:
            # Another fiber will choose who is next.
            (self._idle.pop() if self._idle else self._cradle).switch()
        finally:
            here.__dict__.clear()
            here.__dict__.update(state)
            if held is not None:
                self._held = None
                held.release()
        if fiber is self._main and self._error is not None:
            error, self._error = self._error, None
            raise error

    def rest(self, limit: float | None = None) -> bool:
        """Let the others run until nobody can, and nobody is in the middle of a turn.

        Args:
            limit: go on with what is due up to this time, too; unless given, time goes on only
                for those who are in the middle of a turn.

        Returns:
            Whether they came to rest; False if the clock has come to `limit` before.

        Raises:
            Deadlock: if somebody waits in the middle of a turn, and nothing will end that.
            Livelock: if it does not end.
        """
        fiber = getcurrent()
        me = here.control
        self._resting[fiber] = limit
        try:
            # One that waits for this in the middle of its turn is not at rest for the others.
            self.wait(fiber, _Parker(self, me) if me is not None else None)
        finally:
            del self._resting[fiber]
        return not self._in_turn()

    def in_turn(self) -> list[Control]:
        """Return the processes that wait in the middle of a turn."""
        return [parker.control for parker in self._in_turn() if parker.control is not None]

    def ready(self) -> list[Control]:
        """Return the processes whose turn is due."""
        return [one for one in self._ready if isinstance(one, Control)]

    def _in_turn(self, but: greenlet | None = None) -> list[_Parker]:
        return [
            parker
            for fiber, parker in self._waiting.items()
            if parker is not None and parker.control is not None
            if fiber is not self._main and fiber is not but
        ]

    # Running

    def _bear(self) -> None:
        """Begin a fiber each time that there is none to choose who is next.

        Here and nowhere else, as a fiber begins with the depth of stack of whoever begins it: were
        each begun by the one that waits, a few dozen would be as deep as Python lets them be.
        """
        while True:
            fiber = greenlet(self._loop, self._main)
            fiber.gr_context = self._context.copy() if self._context is not None else None
            fiber.switch()

    def _loop(self) -> None:
        """Give turns, one after another, until one of them leaves this fiber waiting."""
        me = getcurrent()
        while not self._closed:
            try:
                chosen = self._next()
                if isinstance(chosen, Control):
                    self._take_turn(chosen)
                elif not isinstance(chosen, greenlet):
                    chosen()
                    continue
            except GreenletExit:
                return
            except BaseException as error:  # noqa: BLE001 - raised in the test
                self._error = error
                chosen = self._seize_main()
            if isinstance(chosen, greenlet):
                self._idle.append(me)
                chosen.switch()

    def _take_turn(self, control: Control) -> None:
        self.steps += 1
        if self.steps - self._stood_since > self._most:
            raise Livelock(self._most, tuple(str(one.ref) for one in self.ready()[:5]))
        take_turn(control)

    def _next(self) -> Any:
        """Choose who is next; let time go on if nobody can run."""
        while not self._ready:
            if self._held is not None and self._held.struck:
                break
            resting = self._rested()
            if resting is not None:
                self._waiting.pop(resting, None)
                return resting
            self._let_time_pass()
        if self._held is not None and self._held.struck:
            return self._seize_main()
        count = len(self._ready)
        return self._ready.pop(self._choose(count) if count > 1 else 0)

    def _seize_main(self) -> greenlet:
        """Return the test's fiber, which is to go on at once, whatever it waits for."""
        self._waiting.pop(self._main, None)
        if self._main in self._ready:
            self._ready.remove(self._main)
        return self._main

    def _rested(self) -> greenlet | None:
        """Return a fiber that waits until all are at rest, if they are, or its time is over."""
        for fiber, limit in self._resting.items():
            due = self.clock.next_due(background=False)
            if limit is not None:
                if due is None or due > limit:
                    self.clock.advance(max(0.0, limit - self.clock.now()))
                    return fiber
            elif not self._in_turn(fiber) and not self.on_the_way:
                return fiber
        return None

    def _let_time_pass(self) -> None:
        clock = self.clock
        if clock.next_due(background=False) is None:
            raise Deadlock(self.paths())
        before = clock.now()
        clock.run_next()
        if clock.now() > before:
            self._stood_since = self.steps
        # What is due at one time may come at once, or each after what the one before has caused.
        while clock.next_due() == clock.now() and self._choose(2):
            clock.run_next()

    def paths(self) -> tuple[tuple[Any, ...], ...]:
        """Return who waits for whom, each path from one that waits in the middle of a turn."""
        paths = []
        for parker in self._in_turn():
            path, at, seen = list[Any](), parker.control, set[Control]()
            while at is not None and at not in seen:
                path.append(at.ref)
                seen.add(at)
                callee = at.waits_for()
                if callee is None:
                    path.append(None)
                at = callee
            paths.append(tuple(path))
        return tuple(paths)

    def check_thread(self) -> None:
        """Refuse a thread other than the simulation's.

        Raises:
            NotSimulated: if it is one.
        """
        if threading.get_ident() != self._thread:
            raise NotSimulated("a thread", "processes of the simulation's node")
