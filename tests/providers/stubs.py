"""Providers that say what a test tells them to, and a time that only tests move."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from beam.errors import ProviderFailed
from beam.otp.clock import SystemClock
from beam.providers.pace import Pace
from beam.providers.provider import Provider
from beam.providers.values import ToolUse, TurnResult, Usage


class VirtualPace(Pace):
    """A time that stands still until somebody advances it."""

    def __init__(self):
        super().__init__(SystemClock(seed=1))
        self._now = 0.0
        self._order = itertools.count()
        self._sleepers = []
        self._changed = asyncio.Event()
        self.slept = []

    def now(self):
        return self._now

    def time(self):
        return self._now

    async def sleep(self, seconds):
        await self.wait(seconds)

    async def wait(self, seconds):
        """Wait until somebody has advanced the time so far."""
        future = asyncio.get_running_loop().create_future()
        self.slept.append(seconds)
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        self._changed.set()
        await future

    async def sleeping(self, seconds):
        """Wait until somebody sleeps so long."""
        while seconds not in [
            round(until - self._now, 6) for until, _, one in self._sleepers if not one.done()
        ]:
            self._changed.clear()
            await self._changed.wait()

    def advance(self, seconds):
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)


class HastyPace(Pace):
    """A time in which short waits are over at once, and limits never come.

    Args:
        passing: limits that come nevertheless, by their seconds: when the event is set.
    """

    def __init__(self, passing=None):
        super().__init__(SystemClock(seed=1))
        self._passing = passing or {}
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if seconds in self._passing:
            await asyncio.to_thread(self._passing[seconds].wait)
        elif seconds < 5:
            await asyncio.sleep(0)
        else:
            await asyncio.Event().wait()


def use(name="add", number=1, **given):
    return {"id": f"call_{number}", "name": name, "input": given or {"a": 1}}


def asks(*uses, event_id=None, usage=None):
    """Return a turn's last event: tools are required."""
    event = {"type": "stop", "terminal": "requires_action", "stop_reason": "requires_action"}
    return _event(event, event_id, usage, uses=list(uses))


def says(text="done", event_id=None, stop_reason="end_turn", usage=None):
    """Return a turn's last event: the model has said all."""
    event = {"type": "stop", "terminal": "end_turn", "stop_reason": stop_reason, "text": text}
    return _event(event, event_id, usage)


def _event(event, event_id, usage, **more):
    event = {**event, **more}
    if event_id is not None:
        event["id"] = event_id
    if usage is not None:
        event["usage"] = usage
    return event


class Stub(Provider):
    """What the stubs of both modes have: their events say what they mean."""

    name = "stub"

    def __init__(self, *turns, **attributes):
        self.turns = list(turns)
        self.sent = []
        self.opened = None
        self.closed = 0
        self.interrupted = 0
        self.was_resumed = False
        self.open_error = None
        self.kept = None
        self.known_history = ()
        self.ids = ["s-1"]
        self.__dict__.update(attributes)

    async def open(self, options):
        self.opened = options
        if self.open_error is not None:
            raise self.open_error
        return self

    async def close(self, conn):
        self.closed += 1

    async def interrupt(self, conn):
        self.interrupted += 1

    def session_id(self, conn):
        return self.ids[-1]

    def resumed(self, conn):
        return self.was_resumed

    def kickoff_input(self, options):
        if options.outcome is not None:
            return ("outcome", options.outcome.description)
        return super().kickoff_input(options)

    def user_input(self, text):
        return ("user", text)

    def resume_input(self, uses, results):
        assert uses
        assert len(uses) == len(results)
        return ("results", tuple(uses), tuple(results))

    def normalize(self, events):
        last = next((each for each in reversed(events) if _is_stop(each)), None)
        if last is None:
            return TurnResult("terminated", "nothing")
        usage = last.get("usage")
        return TurnResult(
            last["terminal"],
            last["stop_reason"],
            last.get("text", ""),
            custom_tool_uses=tuple(ToolUse(**each) for each in last.get("uses", ())),
            usage=None if usage is None else Usage(*usage),
            answered=last.get("answered", 0),
        )

    def pending_tool_uses(self, events):
        asked, answered = {}, set()
        for event in events:
            if isinstance(event, dict):
                for each in event.get("uses", ()) if _is_stop(event) else event.get("pending", ()):
                    asked[each["id"]] = ToolUse(**each)
                answered.update(event.get("answers", ()))
        return tuple(each for name, each in asked.items() if name not in answered)

    def continue_input(self):
        return ("continue",)

    def text_delta(self, event):
        return event.get("delta") if isinstance(event, dict) else None

    def transcript(self, conn):
        return self.kept

    @property
    def results(self):
        """The results of the tools, as they were sent."""
        return [each for kind, *rest in self.sent if kind == "results" for each in rest[1]]


def _is_stop(event):
    return isinstance(event, dict) and event.get("type") == "stop"


class Polled(Stub):
    """Request and response; a turn is a list of events, one event, an exception or a function."""

    mode = "request_response"

    async def poll_turn(self, conn, given, forward):
        self.sent.append(given)
        turn = self.turns.pop(0) if self.turns else says()
        if callable(turn):
            turn = turn(given, forward)
            if asyncio.iscoroutine(turn):
                turn = await turn
        if isinstance(turn, BaseException):
            raise turn
        return (turn if isinstance(turn, list) else [turn]), self


class Streamed(Stub):
    """Streaming; each input is answered with the next turn. `DROP` and `END` cut the stream."""

    mode = "streaming"

    def __init__(self, *turns, **attributes):
        self.wire = None
        self.streams = 0
        self.reconnects = 0
        self.reconnect_errors = []
        super().__init__(*turns, **attributes)

    def stream(self, conn):
        self.streams += 1
        self.wire = asyncio.Queue()
        return self._events(self.wire)

    async def _events(self, wire):
        yield None
        while True:
            event = await wire.get()
            if event is END:
                return
            if isinstance(event, BaseException):
                raise event
            yield event

    def say(self, *events):
        for event in events:
            self.wire.put_nowait(event)

    async def push_input(self, conn, given):
        self.sent.append(given)
        turn = self.turns.pop(0) if self.turns else says(event_id=f"e-{len(self.sent)}")
        if isinstance(turn, BaseException) and turn is not DROP:
            raise turn
        self.say(*(turn if isinstance(turn, list) else [turn]))

    def is_boundary(self, event):
        return _is_stop(event)

    async def reconnect(self, conn):
        self.reconnects += 1
        if self.reconnect_errors:
            raise self.reconnect_errors.pop(0)
        return conn

    async def history(self, conn):
        return self.known_history


DROP = ProviderFailed(("status", 502), "the stream broke")
END = object()
