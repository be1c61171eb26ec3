"""Plays state machines that are driven by a rule table (`statem.jsonl`) on `StateMachine`.

States are their names; event contents, replies and reasons are values, as `terms` has them. An
Erlang machine returns its data, ours changes it: `settled` is what it was before the event, which
`terminate` sees if a state raises while it is entered, and `given` what it was before the callback,
which `terminate` sees if what that returned is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pykka import ActorDeadError

from beam.otp import (
    Call,
    Cast,
    Crash,
    Enter,
    EventTimeout,
    Future,
    Info,
    Internal,
    StateMachine,
    StateTimeout,
    Timeout,
    event_timeout,
    goto,
    next_event,
    postpone,
    repeat,
    reply,
    state,
    state_timeout,
    stay,
    stop,
    timeout,
)
from beam.testing import settle
from tests.conformance.terms import STACK, Terms, Uncaught

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from beam.otp import Node

    Json = Mapping[str, Any]

__all__ = ["play"]

# Steps take no time, and every time-out is at least 30 ms from everything else. A player that comes
# this much too late, in seconds, as others have the processor, has played another scenario. Then it
# plays again, with all times so many times as long.
LATE = 0.02
STRETCHES = (1, 2, 4, 8, 16)

TERMS = Terms()
EVENTS = {
    "cast": Cast,
    "info": Info,
    "internal": Internal,
    "state_timeout": StateTimeout,
    "timeout": EventTimeout,
}
NAMES = {kind: name for name, kind in EVENTS.items()}


def play(scenario: Json, node: Node) -> Iterator[dict[str, Any]]:
    """Yield what was observed at the start, and after each step."""
    for stretch in STRETCHES:
        client = _Client(scenario, node, stretch / 1000)
        trace = [client.observed("ok"), *map(client.take, scenario["steps"])]
        client.machine.stop()
        if not client.late:
            break
    yield from trace


class _Notes:
    """What a machine notes: its events, and how what it returned to `Enter` is written."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.entered: list[tuple[Any, Any]] = []


class _Machine(StateMachine):
    """A machine that obeys a rule table, and notes what it is called for."""

    def init(self, scenario: Json, notes: _Notes, millisecond: float) -> Any:
        self.rules = scenario["rules"]
        self.millisecond = millisecond
        self.notes = notes
        self.calls: dict[str, Call] = {}
        self.current: Call | None = None
        self.data = self.settled = self.given = 0
        first = scenario["init"]
        return goto(first["state"], *self.actions(first.get("actions", [])))

    def hold(self, gate: Future[None]) -> None:
        """Handle nothing until the gate is open."""
        gate.get()

    def handle_event(self, event: Any, state: Any) -> Any:
        if type(event) is not Enter:
            self.settled, self.current = self.data, None
        if type(event) is Call:
            name, content = event.message
            self.calls[name] = self.current = event
            kind, shown, content = "call", {"call": name}, TERMS.term(content)
        else:
            kind, content = _read(event)
            shown = kind
        self.given = self.data
        self.notes.events.append(["h", state, shown, content, self.data])
        for rule in self.rules:
            fits = rule["s"] in (state, "*") and rule["c"] in (content, "*")
            if fits and rule["t"] == kind:
                returned = self.obey(rule["r"])
                if kind == "enter" and rule["r"]["k"] == "next_state":
                    self.notes.entered.append((returned, self.written(rule["r"])))
                return returned
        return None

    def obey(self, rule: Json) -> Any:
        """Return what the rule wants to be returned."""
        kind, actions = rule["k"], self.actions(rule.get("a", []))
        if kind == "raise":
            self.data = self.settled
            raise Uncaught(TERMS.value(rule["reason"]))
        if kind == "bad":
            return TERMS.value(rule["v"])
        if not kind.endswith("_and_data"):
            self.data += 1
        match kind:
            case "next_state":
                return goto(rule["s"], *actions)
            case "stop" | "stop_and_reply":
                return stop(TERMS.value(rule["reason"]), *actions)
        return (stay if kind.startswith("keep") else repeat)(*actions)

    def written(self, rule: Json) -> Any:
        """Return the term of what an Erlang machine returns for the rule `next_state`."""
        done = [each for each in rule.get("a", []) if each == "hibernate" or [*self.action(each)]]
        actions = [[_action(each) for each in done]] if "a" in rule else []
        return {"t": ["next_state", rule["s"], "$data", *actions]}

    def actions(self, written: list[Any]) -> list[Any]:
        """Return actions; a reply to a call that has not come is left out."""
        return [action for each in written for action in self.action(each)]

    def action(self, action: Any) -> Iterator[Any]:
        match action:
            case "postpone":
                yield postpone
            case {"next_event": [kind, content]}:
                yield next_event(_event(kind, TERMS.value(content)))
            case {"reply": name, "v": value}:
                call = self.current if name == "cur" else self.calls.get(name)
                if call is not None:
                    yield reply(call, TERMS.value(value))
            case {"timer": timer}:
                yield _set(timer, action, self.millisecond)
            case {"raw": term}:
                yield TERMS.value(term)
            case "hibernate":
                pass  # We have nothing like it.

    def terminate(self, reason: Any) -> None:
        error: Any = reason.exception if isinstance(reason, Crash) else None
        refused = getattr(error, "reason", None) == "bad_state_enter_return_from_state_function"
        data = self.given if refused else self.data
        self.notes.events.append(["terminate", self.state, _cause(reason, self.notes), data])


class _Entering(_Machine):
    """One that wants to know when a state is entered."""

    @state(enter=True)
    def handle_event(self, event: Any, state: Any) -> Any:
        return super().handle_event(event, state)


class _Client:
    """Who starts the machine, sends it events, and collects what comes of it."""

    def __init__(self, scenario: Json, node: Node, millisecond: float) -> None:
        self.node = node
        self._millisecond = millisecond
        self._notes = _Notes()
        self._calls: dict[str, Future[Any]] = {}
        self._answered: list[str] = []
        self.late = False
        kind = _Entering if scenario["enter"] else _Machine
        self._now = node.clock.now()
        self.machine = kind.start(scenario, self._notes, millisecond)
        self._ended = False

    def take(self, step: Json) -> dict[str, Any]:
        if step["op"] == "sleep":
            self._sleep(step["ms"] * self._millisecond)
        elif self._ended:
            return self.observed("noproc")
        elif step["op"] == "stop":
            self.machine.stop(reason=TERMS.value(step["reason"]))
        else:
            # All of them are there before the first is handled.
            gate: Future[None] = Future()
            self.machine.proxy().hold.defer(gate)
            for op in step.get("ops", [step]):
                self._send(op)
            gate.set()
        return self.observed("ok")

    def _sleep(self, seconds: float) -> None:
        """Sleep until it is time: what the steps before took does not count."""
        self._now += seconds
        self.node.sleep(max(0.0, self._now - self.node.clock.now()))

    def _send(self, op: Json) -> None:
        content = TERMS.value(op["c"])
        match op["op"]:
            case "cast":
                self.machine.cast(content)
            case "info":
                self.machine.tell(content)
            case "call":
                name = op["id"]
                call = self.machine.ask((name, content), block=False, timeout=None)
                self._calls[name] = call
                call.add_waiter(lambda: self._answered.append(name))

    def observed(self, result: str) -> dict[str, Any]:
        """Wait until nothing goes on any more; return what has been seen since the last time."""
        settle()
        late = self.node.clock.now() - self._now
        self.late = self.late or late > LATE * 1000 * self._millisecond
        seen: dict[str, Any] = {"r": result, "ev": self._notes.events.copy(), "rep": [], "lost": {}}
        self._notes.events.clear()
        if not self._ended and not self.machine.is_alive():
            self._ended = True
            seen["ev"].append(["exit", _reason(self.machine.exit_reason, self._notes)])
        for name in self._answered:
            try:
                seen["rep"].append([name, TERMS.term(self._calls[name].get())])
            except ActorDeadError as error:
                lost: Any = error  # a `CallExit`
                seen["lost"][name] = _reason(lost.reason, self._notes)
        self._answered.clear()
        return seen


def _read(event: Any) -> tuple[Any, Any]:
    """Return the type of an event, and its content, as terms."""
    match event:
        case Enter(old=old):
            return "enter", old
        case Timeout(name=name, content=content):
            return {"timeout": name}, TERMS.term(content)
        case Cast(message) | Info(message):
            return NAMES[type(event)], TERMS.term(message)
    return NAMES[type(event)], TERMS.term(event.content)


def _event(kind: Any, content: Any) -> Any:
    return EVENTS[kind](content) if isinstance(kind, str) else Timeout(kind["timeout"], content)


def _set(timer: Any, action: Json, millisecond: float) -> Any:
    """Return the action that sets, cancels or updates a time-out."""
    names = () if isinstance(timer, str) else (timer["g"],)
    kind: Any = timeout if names else {"state": state_timeout, "event": event_timeout}[timer]
    if "cancel" in action:
        return kind.cancel(*names)
    if "update" in action:
        return kind.update(*names, TERMS.value(action["update"]))
    seconds = None if action["set"] == "infinity" else action["set"] * millisecond
    return kind(*names, seconds, TERMS.value(action["c"]))


def _reason(reason: Any, notes: _Notes) -> Any:
    """Return the term of an exit reason."""
    cause = _cause(reason, notes)
    return {"t": [cause, STACK]} if isinstance(reason, Crash) else cause


def _cause(reason: Any, notes: _Notes) -> Any:
    """Return the term of the reason that `terminate` is told."""
    if not isinstance(reason, Crash):
        return TERMS.term(reason)
    error: Any = reason.exception
    if isinstance(error, Uncaught):
        return TERMS.term(error.term)
    for returned, written in notes.entered:
        if error.value is returned:
            return {"t": [error.reason, written]}
    return {"t": [error.reason, _wrong(error.value)]}


def _wrong(action: Any) -> Any:
    """Return the term of what a state must not return, or of an action that it must not."""
    if action is postpone:
        return "postpone"
    if hasattr(action, "event"):
        kind, content = _read(action.event)
        return {"t": ["next_event", _type(kind), content]}
    return TERMS.term(action)


def _action(action: Any) -> Any:
    match action:
        case {"next_event": [kind, content]}:
            return {"t": ["next_event", _type(kind), content]}
        case {"reply": name, "v": value}:
            return {"t": ["reply", name, value]}
        case {"timer": timer, **what}:
            kind = {"state": "state_timeout", "event": "timeout"}.get(str(timer))
            kind = kind or {"t": ["timeout", timer["g"]]}
            if "cancel" in what:
                return {"t": [kind, "cancel"]}
            if "update" in what:
                return {"t": [kind, "update", what["update"]]}
            return {"t": [kind, what["set"], what["c"]]}
        case {"raw": term}:
            return term
    return action


def _type(kind: Any) -> Any:
    """Return the type of an event as a term."""
    return {"t": ["timeout", kind["timeout"]]} if isinstance(kind, dict) else kind
