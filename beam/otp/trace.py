"""Traces: what one process takes, answers and becomes, or what two processes say to each other.

See `beam.otp.sys.trace`, which sets them. An event is built where it happens, in the process that
is traced, so a tracer sees the events of one process in their order. A tracer that raises, or has
died, is taken off, and reported; the process that it traced never notices.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from beam.errors.root import shown
from beam.otp.future import Future
from beam.otp.mail import System
from beam.otp.marking import mark_senders, unmark_senders
from beam.otp.observed import Looker, Observed, unobserve
from beam.otp.ref import Ref
from beam.otp.reports import report
from beam.otp.signals import Watch, unwatch, watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from beam.otp.control import Control
    from beam.otp.observed import Incoming

__all__ = ["Trace", "TraceEvent"]


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """Something that a traced process has done.

    Attributes:
        number: its place among the events of the trace, from 1.
        at: when it happened, on the node's clock.
        process: the process that is traced.
        kind: `"in"`, a message is about to be handled; `"out"`, a call has been answered;
            `"noreply"`, a handler has returned and nothing was answered; `"state"`, a state machine
            has changed its state; `"exit"`, the process has ended.
        form: of `"in"` and `"noreply"`, what the message is: `"call"`, `"cast"`, `"info"`,
            `"timeout"` (a state machine's) or `"continue"`; of `"out"`, `"call"`; else `None`.
        peer: who sent the message, or gets the answer, as far as that is known.
        value: the message; the answer, an exception if it is a refusal; the name of the new state;
            the exit reason. The object itself, no copy.
        old: of `"state"`, the name of the state before.
    """

    number: int
    at: float
    process: Ref[Any]
    kind: str
    form: str | None
    peer: Ref[Any] | None
    value: Any
    old: Any = None


class Trace:
    """A trace that has been set; leaving its `with` block takes it off.

    Attributes:
        active: whether it is on.
        dropped: how many events its buffer has lost, the oldest first.
    """

    def __init__(self, to: Any, limit: int | None) -> None:
        self.active = True
        self.dropped = 0
        self._limit = limit
        self._numbers = itertools.count(1)
        self._buffer: deque[TraceEvent] = deque(maxlen=limit if to is None else 0)
        self._buffered = to is None
        self._tell = self._keep if to is None else _teller(to)
        self._tracers: list[_Tracer] = []

    def __repr__(self) -> str:
        who = " and ".join(str(one.control.ref) for one in self._tracers)
        return f"<Trace of {who}: {'on' if self.active else 'off'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def events(self) -> list[TraceEvent]:
        """Return the events in the buffer, oldest first; they stay there."""
        return list(self._buffer)

    def clear(self) -> list[TraceEvent]:
        """Take the events out of the buffer, and return them, oldest first."""
        events = []
        while self._buffer:
            events.append(self._buffer.popleft())
        return events

    def stop(self) -> None:
        """Take the trace off: no event is told from now on. Never waits; any thread may call it."""
        self.active = False
        for tracer in self._tracers:
            unwatch(tracer.end)
            # Its process does the rest when it comes to it; nobody waits for that.
            tracer.control.post(System(tracer.leave, Future(tracer.control)))

    def set_on(self, control: Control, peer: Control | None) -> None:
        """Trace a process from now on; run by that process."""
        tracer = _Tracer(self, control, peer)
        self._tracers.append(tracer)
        Observed.of(control).add(tracer)
        mark_senders(control.ref)
        watch(control, tracer.end)

    # Telling

    def tell(
        self,
        control: Control,
        kind: str,
        value: Any,
        *,
        form: str | None = None,
        peer: Ref[Any] | None = None,
        old: Any = None,
        last: bool = False,
    ) -> None:
        """Tell an event, if the trace is on; run by the process, or whoever answers for it."""
        if not self.active:
            return
        self.active = not last
        event = TraceEvent(
            next(self._numbers), control.node.clock.now(), control.ref, kind, form, peer, value, old
        )
        try:
            self._tell(event)
        except BaseException as error:  # noqa: BLE001 - the process must not notice
            self._remove(shown(error))
        else:
            if not self._buffered and self._limit is not None and event.number >= self._limit:
                self._remove(f"limit of {self._limit} events")

    def _keep(self, event: TraceEvent) -> None:
        if len(self._buffer) == self._buffer.maxlen:
            self.dropped += 1
        self._buffer.append(event)

    def _remove(self, reason: str) -> None:
        self.stop()
        who = [str(one.control.ref) for one in self._tracers]
        report("warning", "trace_removed", processes=who, reason=reason)

    def process_ended(self, tracer: _Tracer, reason: Any) -> None:
        """Tell that a process has ended; under the node's lock."""
        node = tracer.control.node
        tell = partial(self._tell_end, tracer.control, reason)
        if self._buffered:
            tell()  # No code of the user's runs.
        else:
            node.scheduler.call_at(node.clock.now(), tell)

    def _tell_end(self, control: Control, reason: Any) -> None:
        last = not any(one.control.alive for one in self._tracers)
        self.tell(control, "exit", reason, last=last)


def _teller(to: Any) -> Callable[[TraceEvent], object]:
    if isinstance(to, Ref):
        return to.tell
    if to == "log":
        return _log
    tell: Callable[[TraceEvent], object] = to
    return tell


def _log(event: TraceEvent) -> None:
    fields: dict[str, Any] = {
        "process": str(event.process),
        "kind": event.kind,
        "number": event.number,
        "value": shown(event.value),
    }
    if event.form is not None:
        fields["form"] = event.form
    if event.peer is not None:
        fields["peer"] = str(event.peer)
    if event.old is not None:
        fields["old"] = shown(event.old)
    report("info", "process_traced", **fields)


class _End(Watch):
    """Hears of the end of a traced process."""

    __slots__ = ("_tracer",)

    def __init__(self, tracer: _Tracer) -> None:
        self._tracer = tracer
        self.target = tracer.control

    def fire(self, reason: Any) -> None:
        self._tracer.trace.process_ended(self._tracer, reason)


class _Tracer(Looker):
    """A trace's place at one process.

    Args:
        trace: the trace.
        control: the process.
        peer: what it is to be in exchange with; `None` for all.
    """

    __slots__ = ("_peer", "control", "end", "trace")

    wants_answers = True
    is_trace = True

    def __init__(self, trace: Trace, control: Control, peer: Control | None) -> None:
        self.trace = trace
        self.control = control
        self._peer = peer.ref if peer is not None else None
        self.end = _End(self)

    def _concerns(self, mail: Incoming) -> bool:
        return self._peer is None or mail.peer is self._peer

    def begins(self, mail: Incoming) -> None:
        """Tell what comes."""
        if self._concerns(mail):
            self.trace.tell(self.control, "in", mail.message, form=mail.form, peer=mail.peer)

    def kept_silent(self, mail: Incoming) -> None:
        """Tell that it was not answered."""
        if self._concerns(mail):
            self.trace.tell(self.control, "noreply", mail.message, form=mail.form, peer=mail.peer)

    def answered(self, mail: Incoming, answer: Any) -> None:
        """Tell the answer."""
        if self._concerns(mail):
            self.trace.tell(self.control, "out", answer, form=mail.form, peer=mail.peer)

    def changed(self, old: Any, new: Any) -> None:
        """Tell a change of state."""
        if self._peer is None:
            self.trace.tell(self.control, "state", new, old=old)

    def leave(self, control: Control) -> None:
        """Look on no more; run by the process."""
        observed = control.receiver
        if isinstance(observed, Observed):
            observed.remove(self)
            if not any(one.is_trace for one in observed.lookers):
                unmark_senders(control.ref)
            unobserve(control)
