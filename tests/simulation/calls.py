"""The auditor of calls: each ends once, in time, with its own answer; no rings (G6, G7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from beam.errors import CallCycle, CallExit, CallTimeout, DeadlineExpired, Refused
from tests.simulation.ledger import EPSILON, Auditor, Ledger

if TYPE_CHECKING:
    from beam.otp import Ref
    from tests.simulation.post import Post

OWN_ANSWER = "a call ends with its own answer, given by its callee"
ONCE = "a call is handled once, by its callee"
ENDS = "every call ends"
RING = "a ring of calls is refused, and nothing else is"
DEAD_ONLY = "a call fails with its callee's exit reason only if it has died"
IN_TIME = "a call ends by its deadline, and not for it before"
INHERITS = "a deadline is inherited by the calls made inside"
TIME_LEFT = "a handler sees how much time is left"
SECOND = "a second answer is dropped"
REFUSAL = "a refusal reaches the caller, and the process lives"


class Outcome(NamedTuple):
    """How a call ended."""

    kind: str
    value: Any = None


@dataclass(slots=True, eq=False)
class Record:
    """What is known of a call."""

    number: int
    caller: Ref[Any] | None
    callee: Ref[Any]
    begun: float
    deadline: float | None
    outer: Record | None
    handled: bool = False
    settled: bool = False
    answer: Any = None

    def __repr__(self) -> str:
        return f"call {self.number} of {self.caller} to {self.callee}"

    @property
    def is_open(self) -> bool:
        """Return whether its callee may still answer it."""
        return not self.settled and self.callee.is_alive()

    @property
    def is_orphaned(self) -> bool:
        """Return whether one that it is made for has died: its deadline may count no more.

        Its supervisor may have cut its call, to end it.
        """
        at: Record | None = self
        while at is not None:
            if at.caller is not None and not at.caller.is_alive():
                return True
            at = at.outer
        return False

    def nearest(self) -> float | None:
        """Return when the first of its callers stops waiting."""
        times, at = [], self
        while at is not None and at.is_open:
            if at.deadline is not None:
                times.append(at.deadline)
            at = at.outer
        return min(times, default=None)


class Calls(Auditor):
    """Keeps a record of each call, and who waits for whom."""

    def __init__(self, ledger: Ledger, post: Post) -> None:
        super().__init__(ledger)
        self._post = post
        self._records: list[Record] = []
        self.serving: dict[Ref[Any], Record] = {}
        self.waits: dict[Ref[Any], Any] = {}
        """For whom each process waits: a record, or a ref that is not asked by way of here."""
        self._open: dict[Record, None] = {}

    def open_calls(self) -> list[Record]:
        """Return the calls that have not ended."""
        return list(self._open)

    # The caller

    def make(self, me: Ref[Any] | None, to: Ref[Any], timeout: float | None, *what: Any) -> Outcome:
        """Call, and return how it ended; raise what ends the caller."""
        now = self.ledger.now()
        outer = self.serving.get(me) if me is not None else None
        deadline = None if timeout is None else now + timeout
        record = Record(len(self._records), me, to, now, deadline, outer)
        self._records.append(record)
        ring = self._ring(me, to)
        if me is not None:
            self.waits[me] = record
        self._open[record] = None
        try:
            outcome = self._made(record, timeout, what)
        finally:
            del self._open[record]
            if me is not None:
                del self.waits[me]
        self._check_end(record, outcome, ring)
        return outcome

    def _made(self, record: Record, timeout: float | None, what: Any) -> Outcome:
        try:
            answer = self._post.ask(
                record.caller, record.callee, timeout, "call", record.number, *what
            )
        except CallCycle as ring:
            if ring.path[0] is record.caller:  # Else a supervisor has cut the ring, later.
                self._post.take_back(record.caller, record.callee)
            return Outcome("ring", ring.path)
        except CallExit as gone:
            return Outcome("exit", gone.reason)
        except DeadlineExpired:
            return Outcome("expired")
        except CallTimeout:
            return Outcome("timeout")
        except Refused as refusal:
            return Outcome("refused", refusal.facts.get("number"))
        return Outcome("answer", answer)

    def _ring(self, me: Ref[Any] | None, to: Ref[Any]) -> bool | None:
        """Return whether `to` waits for `me` already; `None` if that cannot be known."""
        at, seen = to, dict[Any, None]()
        while me is not None and at not in seen:
            if at is me:
                return True
            seen[at] = None
            waits = self.waits.get(at)
            if isinstance(waits, Record):
                if not waits.is_open:
                    return False
                at = waits.callee
            elif waits is not None:
                return None  # A supervisor, or an init: they wait for whom they like.
            else:
                return False
        return False

    def _check_end(self, record: Record, outcome: Outcome, ring: bool | None) -> None:
        object_, kind = self.ledger.object, outcome.kind
        is_cut = kind == "ring" and outcome.value[0].actor_class.renders_reports
        if ring is not None and (kind == "ring") != ring and not is_cut:
            object_(RING, record, outcome, ring)
        if kind == "ring":
            record.settled = True
            return
        now = self.ledger.now()
        own = record.deadline
        if own is not None and now > max(own, record.begun) + EPSILON:
            object_(IN_TIME, record, outcome, own)
        if kind == "answer":
            if record.answer is None or outcome.value != record.answer:
                object_(OWN_ANSWER, record, outcome, record.answer)
        elif kind == "refused":
            if record.answer != "refused" or outcome.value != record.number:
                object_(OWN_ANSWER, record, outcome, record.answer)
        elif kind == "exit":
            reason = record.callee.exit_reason
            if record.callee.is_alive() or outcome.value not in (reason, "noproc"):
                object_(DEAD_ONLY, record, outcome, reason)
        elif kind in ("timeout", "expired"):
            self._check_lateness(record, kind, now)

    def _check_lateness(self, record: Record, kind: str, now: float) -> None:
        own = record.deadline
        inherited = record.outer.nearest() if record.outer is not None else None
        if kind == "timeout":
            early = own is None or now < own - EPSILON
            sooner = inherited is not None and own is not None and inherited <= own
            if early or (sooner and not (record.outer is None or record.outer.is_orphaned)):
                self.ledger.object(IN_TIME, record, kind, own, inherited)
        elif inherited is None or now < inherited - EPSILON:
            self.ledger.object(INHERITS, record, kind, own, inherited)
        else:
            record.deadline = inherited  # So long was waited, and those inside are as late.

    # The callee

    def arrives(self, me: Ref[Any], number: int, *, again: bool = False) -> Record:
        """Take note that a call is handled; `again`, if it was postponed."""
        record = self._records[number]
        if record.handled is not again or record.callee is not me:
            self.ledger.object(ONCE, me, record)
        record.handled = True
        self.serving[me] = record
        return record

    def served(self, me: Ref[Any]) -> None:
        """Take note that the handler of a call has ended."""
        self.serving.pop(me, None)

    def check_time_left(self, me: Ref[Any], left: float | None, *, exact: bool) -> None:
        """Compare what a handler sees with what is known of its callers."""
        serving = self.serving[me]
        if serving.is_orphaned:
            return
        nearest = serving.nearest()
        expected = None if nearest is None else max(0.0, nearest - self.ledger.now())
        if left is None or expected is None:
            wrong = left is not expected and (exact or left is None)
        else:
            wrong = left > expected + EPSILON or (exact and left < expected - EPSILON)
        if wrong:
            self.ledger.object(TIME_LEFT, me, left, expected)

    def answer(self, record: Record) -> Any:
        """Return the answer to a call, which is given now."""
        record.settled = True
        if record.answer is None:
            record.answer = ("answer", record.number, record.callee)
        return record.answer

    def refuse(self, record: Record) -> Refused:
        """Return the refusal of a call, which is raised now."""
        record.settled, record.answer = True, "refused"
        return Refused("not_here", number=record.number)

    def check_reply(self, record: Record, caller: Any) -> None:
        """Answer a call that was kept; twice, of which one counts."""
        caller.reply(self.answer(record))
        if caller.reply(("another", record.number)):
            self.ledger.object(SECOND, record)

    def rests(self) -> None:
        for record in self._open:
            if record.caller is None or record.caller in self.ledger.alive:
                self.ledger.object(ENDS, record)
