"""Plays the scenarios of `supervisor.jsonl`: a tree of supervisors, and what befalls it.

Every process tells a witness when it enters `init` and `terminate`. The witness monitors those
that live, so the mail that comes to it is what happened, in order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from beam.errors import CallExit, StartError
from beam.otp import (
    Down,
    Future,
    Refused,
    Server,
    Supervisor,
    current_process,
    exit,
    ignore,
    monitor,
    spawn,
)
from beam.testing import settle
from tests.conformance.specs import SpecTerms, described, fields, flags, seconds, start_function
from tests.conformance.terms import Uncaught

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from beam.otp import Node, Ref

__all__ = ["play"]

Json = Mapping[str, Any]


def play(scenario: Json, node: Node) -> Iterator[dict[str, Any]]:
    """Play a scenario; yield what was observed after the start and after each action."""
    world = World()
    world.parent = Parent.start(world, scenario["sup"])
    state: Any = None
    for action in ({"op": "start"}, *scenario["actions"]):
        result = world.act(action)
        settle(node)
        if isinstance(result, Future):
            result = result.get()
        step = {"r": world.terms.term(result), "ev": world.news()}
        before, state = state, world.state()
        yield step if state == before else {**step, "st": state}


class World:
    """One scenario: its processes by path, what happened to them, and what is to happen."""

    parent: Ref[Parent]

    def __init__(self) -> None:
        self.terms = SpecTerms()
        self._witness = Witness.start()
        self.latest: dict[str, Ref[Any]] = {}
        self._starts: dict[str, int] = {}
        self._during: tuple[str, Callable[[], None]] | None = None

    # What processes say

    def enter(self, path: str, outcome: Any, process: Ref[Any] | None) -> Any:
        """Note a start attempt, and the outcome that it is to have; return its number and that.

        Args:
            path: whose.
            outcome: what it is to be, or a list of that for the 1st, 2nd, ... attempt.
            process: which has entered `init`.
        """
        n = self._starts[path] = self._starts.get(path, 0) + 1
        if isinstance(outcome, list):
            outcome = outcome[n - 1] if n <= len(outcome) else "ok"
        if process is not None:
            self.terms.name(f"{path}#{n}", process)
        if not _is_ok(outcome):
            process = None
        self._witness.ask(("start", path, n, outcome, process), timeout=None)
        if process is not None:
            self.latest[path] = process
        if self._during is not None and self._during[0] == path:
            self._during[1]()
        return n, outcome

    def leave(self, path: str, n: int, reason: Any) -> None:
        """Note that a process has entered `terminate`."""
        self._witness.cast(("terminate", path, n, reason))

    # What is seen after an action

    def news(self) -> list[Any]:
        """Return what has happened since this was asked last, as terms."""
        return [
            [word, path, n, what if word == "start" else self.terms.term(what)]
            for word, path, n, what in self._witness.ask("news")
        ]

    def state(self) -> dict[str, Any]:
        """Return what the live supervisors say of their children, by path."""
        return {
            path: {"w": [self._line(*line) for line in ref.which_children()], "c": [*counts]}
            for path, ref in self.latest.items()
            if ref.actor_class is Tree and ref.is_alive()
            for counts in [ref.count_children()]
        }

    def _line(self, child_id: Any, process: Any, kind: str, _modules: Any) -> list[Any]:
        running: Any = self.terms.term(process)
        if isinstance(running, dict):
            path, _, n = running["p"].rpartition("#")
            running = int(n) if child_id is not None else [path, int(n)]
        return [self.terms.term(child_id), running, kind]

    # Actions

    def act(self, action: Json) -> Any:
        """Do what an action says; return its result, or a future of it."""
        match action["op"]:
            case "start":
                return self.parent.ask("start", timeout=None)
            case "parent_exit":
                reason = self.terms.value(action["reason"])
                self._end(self.parent, "kill" if reason == "kill" else "exit", reason)
                return "ok"
            case "exit":
                process = self.latest.get(action["path"])
                if process is None or not process.is_alive():
                    return "noproc"
                self._end(process, action["how"], self.terms.value(action.get("reason")))
                return "ok"
            case "during":
                return self._act_during(action["exit"], action["call"])
        tree = self.latest.get(action["sup"])
        return _answer(self, tree, action) if tree is not None else "noproc"

    def _end(self, process: Ref[Any], how: str, reason: Any) -> None:
        match how:
            case "kill":
                exit(process, "kill")
            case "signal":
                exit(process, reason)
            case "stop" if process.actor_class is Tree:
                process.stop(block=False, reason=reason)
            case _:
                process.cast((how, reason))

    def _act_during(self, action: Json, call: Json) -> Future[Any]:
        """Do the one; when the process that it ended is on its way to start again, the other."""
        result: Future[Any] = Future()

        def issue(ready: Future[None]) -> None:
            ready.set(None)
            result.set(self.act(call))

        def interrupt() -> None:
            self._during = None
            ready: Future[None] = Future()
            spawn(issue, ready)
            ready.get()

        self._during = (action["path"], interrupt)
        self.act(action)
        return result

    # Specifications

    def spec(self, above: str, child: Json) -> Any:
        """Return the specification of a child of the supervisor at the path `above`."""
        if "raw" in child:
            return self.terms.value(child["raw"])
        given = fields(self.terms, child)
        path = above if "template" in child else f"{above}/{given.get('id')}"
        if "start" in child:
            given["start"] = start_function(self.terms.value(child["start"]))
        elif "sup" in child:
            given |= {"start": Tree, "args": (self, child["sup"], path)}
        elif "w" in child:
            start = start_worker if {"info", "ret"} & child["w"].keys() else Worker
            given |= {"start": start, "args": (self, child["w"], path)}
        elif "template" in child:
            given |= {"start": start_worker, "args": (self, {}, path)}
        return MappingProxyType(given)


class Witness(Server):
    """Notes what happens, in the order in which it hears of it."""

    blocking = False

    def init(self) -> None:
        self.events: list[Any] = []
        self.lives: dict[Ref[Any], tuple[str, int]] = {}

    def handle_call(self, message: Any, _caller: Any) -> Any:
        if message == "news":
            news, self.events = self.events, []
            return news
        *event, process = message
        self.events.append(event)
        if process is not None:
            self.lives[process] = (message[1], message[2])
            monitor(process)
        return None

    def handle_cast(self, event: Any) -> None:
        self.events.append(event)

    def handle_info(self, message: Any) -> None:
        if isinstance(message, Down):
            path, n = self.lives.pop(message.process)
            self.events.append(("exit", path, n, message.reason))


class Parent(Server):
    """The process that starts the supervisor at the top."""

    trap_exit = True

    def init(self, world: World, tree: Json) -> None:
        self.world, self.tree = world, tree

    def handle_call(self, _message: Any, _caller: Any) -> Any:
        try:
            top = Tree.start_link(self.world, self.tree, "top")
        except StartError as error:
            return ("error", error.reason)
        return "ignore" if top is None else ("ok", top)

    def handle_cast(self, message: Any) -> None:
        exit(message[1])

    def handle_info(self, _message: Any) -> None:
        """Ignore the ends of linked processes."""


class Tree(Supervisor):
    """A supervisor of a scenario."""

    def init(
        self, world: World, tree: Json, path: str, label: str | None = None, _own: Any = None
    ) -> Any:
        path = path if label is None else f"{path}/{label}"
        _, outcome = world.enter(path, tree.get("init", []), current_process())
        if isinstance(outcome, dict) and "return" in outcome:
            return world.terms.value(outcome["return"])
        if _become(self, world, outcome) is ignore:
            return ignore
        children = [world.spec(path, child) for child in tree["children"]]
        return super().init(children, **flags(world.terms, tree))


class Worker(Server):
    """A worker of a scenario."""

    def init(self, world: World, knobs: Json, path: str) -> Any:
        self.world, self.knobs, self.path = world, knobs, path
        self.trap_exit = self.knobs.get("trap", False)
        outcomes = self.knobs.get("init", [])
        self.n, outcome = world.enter(self.path, outcomes, current_process())
        return _become(self, world, outcome)

    def handle_cast(self, message: Any) -> None:
        how, reason = message
        if how == "raise":
            raise Uncaught(reason)
        self.stop(reason)

    def handle_info(self, _message: Any) -> None:
        """Ignore signals."""

    def terminate(self, reason: Any) -> None:
        self.world.leave(self.path, self.n, reason)
        self.node.sleep(_seconds(self.knobs.get("term_ms", 0)))
        if "term_exit" in self.knobs:
            exit(self.world.terms.value(self.knobs["term_exit"]))


def start_worker(
    world: World, knobs: Json, path: str, label: str | None = None, own: Json | None = None
) -> Any:
    """Start a worker as its knobs say, with a function of our own."""
    knobs = knobs if own is None else own
    path = path if label is None else f"{path}/{label}"
    if "ret" in knobs:
        world.enter(path, {"ret": knobs["ret"]}, None)
        return _returned(world.terms.value(knobs["ret"]))
    worker = Worker.start_link(world, knobs, path)
    if "info" in knobs and worker is not None:
        return worker, world.terms.value(knobs["info"])
    return worker


def _become(process: Server | Supervisor, world: World, outcome: Any) -> Any:
    """Let `init` end as the outcome says."""
    match outcome:
        case "ignore":
            return ignore
        case {"stop": reason}:
            process.stop(world.terms.value(reason))
        case {"raise": reason}:
            raise Uncaught(world.terms.value(reason))
        case {"exit": reason}:
            exit(world.terms.value(reason))
        case {"slow": ms, "then": then}:
            process.node.sleep(_seconds(ms))
            return _become(process, world, then)
    return None


def _is_ok(outcome: Any) -> bool:
    """Return whether a process lives after this outcome."""
    return _is_ok(outcome["then"]) if "slow" in outcome else outcome == "ok"


def _seconds(ms: Any) -> float:
    return math.inf if ms == "infinity" else seconds(ms)


def _returned(term: Any) -> Any:
    """Do what a start function does that returns this term of OTP's."""
    match term:
        case "ignore":
            return ignore
        case ("error", reason):
            raise Refused(reason)
    return term


def _answer(world: World, tree: Ref[Any], action: Json) -> Any:
    """Call a function of a supervisor; return what OTP's returns."""
    try:
        return _call(world, tree, action)
    except CallExit:
        return "noproc"
    except Refused as refused:
        return ("error", refused.reason)


def _call(world: World, tree: Any, action: Json) -> Any:
    terms = world.terms
    match action["op"]:
        case "start_child" if "child" in action:
            return _started(tree.start_child(world.spec(action["sup"], action["child"])))
        case "start_child":
            return _started(tree.start_child(action["name"], action.get("w", {})))
        case "restart_child":
            return _started(tree.restart_child(terms.value(action["id"])))
        case "terminate_child" if "pid" in action:
            tree.terminate_child(world.latest[action["pid"]])
        case "terminate_child":
            tree.terminate_child(terms.value(action["id"]))
        case "delete_child":
            tree.delete_child(terms.value(action["id"]))
        case "get_childspec":
            return ("ok", described(tree.get_childspec(terms.value(action["id"]))))
        case "which_children":
            return [(line.id, line.process, line.type) for line in tree.which_children()]
        case "count_children":
            return [*tree.count_children()._asdict().items()]
    return "ok"


def _started(result: Any) -> Any:
    """Return `{ok, Child}` or `{ok, Child, Info}`."""
    return ("ok", *result) if isinstance(result, tuple) else ("ok", result)
