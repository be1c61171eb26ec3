"""Plays the scenarios of `proc.jsonl`: plain processes and servers, told one by one what to do.

A plain process is a function that takes orders out of its mail, and keeps the rest of it aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from beam.errors import (
    AlreadyExists,
    CallCycle,
    CallExit,
    CallTimeout,
    InvalidInput,
    NotFound,
    StartError,
)
from beam.otp import (
    Future,
    Server,
    current_process,
    demonitor,
    exit,
    ignore,
    link,
    monitor,
    noreply,
    receive,
    register,
    spawn,
    spawn_link,
    spawn_monitor,
    unlink,
    unregister,
    whereis,
)
from beam.testing import settle
from tests.conformance.terms import Terms, Uncaught

if TYPE_CHECKING:
    from collections.abc import Iterator

    from beam.otp import Node

__all__ = ["play"]

Json = Mapping[str, Any]

# Seconds: long enough to be a wait, in which a signal acts.
MOMENT = 0.001


def play(scenario: Json, node: Node) -> Iterator[dict[str, Any]]:
    """Play a scenario; yield what was observed after each step."""
    world = World()
    for name in scenario["procs"]:
        world.spawn(spawn, name)
    for step in scenario["steps"]:
        order = Order(step, Future())
        actor = world.terms.named(step["by"])
        alive = actor.is_alive()
        if alive:
            actor.tell(order)
        settle(node)
        if not alive:
            result: Any = {"noproc": True}
        else:
            result = order.result.get() if order.result.done else {"exited": True}
        yield {"r": result, **world.seen()}


class Order(NamedTuple):
    """What the player tells a process to do."""

    step: Json
    result: Future[Any]


class Returned(Exception):
    """Ends the function of a plain process."""


class World:
    """One scenario: its processes by name, and what has been seen of them."""

    def __init__(self) -> None:
        self.terms = Terms()
        self.witness = Witness.start()
        self.boxes: dict[str, list[Any]] = {}
        self.gone: set[str] = set()

    def spawn(self, how: Any, name: str, *, trap: bool = False) -> Any:
        """Start a plain process; return what the function that starts it does."""
        ready: Future[None] = Future()
        started = how(Plain.live, self, name, trap, ready)
        # Said by both: a signal may end either of them before it comes to that.
        self.born(name, started[0] if isinstance(started, tuple) else started)
        ready.get()
        waited()
        return started

    def born(self, name: str, process: Any) -> None:
        """Give a process its name, and have it watched."""
        self.terms.name(name, process)
        self.witness.cast(("born", name, process))

    def seen(self) -> dict[str, Any]:
        """Return what is to be seen after a step."""
        news, alive = self.witness.ask("news", timeout=None)
        self.gone.update(name for word, name, _ in news if word == "exit")
        term = self.terms.term
        boxes = {name: self.boxes[name] for name in alive if self.boxes.get(name)}
        peers = {name: self.terms.named(name).links() for name in alive}
        links = {
            name: sorted(self.terms.name_of(peer) for peer in refs)
            for name, refs in peers.items()
            if refs
        }
        seen = {
            "exits": {name: term(reason) for word, name, reason in news if word == "exit"},
            "term": {name: term(reason) for word, name, reason in news if word == "terminate"},
            "mbox": {name: [term(message) for message in box] for name, box in boxes.items()},
            "links": links,
            "gs": {},
        }
        for word, name, message in news:
            if word == "info":
                seen["gs"].setdefault(name, []).append(term(message))
        return {"alive": alive, **{key: value for key, value in seen.items() if value}}


class Witness(Server):
    """Notes what happens, in the order in which it hears of it."""

    blocking = False

    def init(self) -> None:
        self.news: list[Any] = []
        self.alive: dict[Any, str] = {}
        self.seen: set[Any] = set()

    def handle_call(self, _message: Any, _caller: Any) -> Any:
        news, self.news = self.news, []
        return news, sorted(self.alive.values())

    def handle_cast(self, event: Any) -> None:
        word, name, what = event
        if word != "born":
            self.news.append(event)
        elif what not in self.seen:
            self.seen.add(what)
            self.alive[what] = name
            monitor(what)

    def handle_info(self, message: Any) -> None:
        # Its own reason: to who monitors one that has ended already, that is "noproc".
        reason = message.process.exit_reason
        self.news.append(("exit", self.alive.pop(message.process), reason))


class Plain:
    """A plain process: its name, and the mail that it keeps aside.

    Each operation of the scenarios is a method; what it returns or raises is what OTP's does.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.terms = world.terms
        self.box = world.boxes[name] = []

    @classmethod
    def live(cls, world: World, name: str, trap: bool, ready: Future[None]) -> None:
        """Follow orders, and keep other mail aside; the function of the process."""
        me = cls(world, name)
        world.born(name, current_process())
        current_process().trap_exit = trap
        ready.set(None)
        while True:
            message = receive()
            if not isinstance(message, Order):
                me.box.append(message)
                continue
            try:
                message.result.set(me.follow(message.step))
            except Returned:
                return

    def follow(self, step: Json) -> Any:
        """Follow an order; return its result."""
        if step["op"] == "batch":
            return {"vs": [self.follow(one) for one in step["ops"]]}
        try:
            return {"v": self.terms.term(getattr(self, f"do_{step['op']}")(step))}
        except (AlreadyExists, InvalidInput, NotFound):
            return {"err": "badarg"}
        except (CallExit, CallTimeout) as failed:
            kind = "err" if step["op"] == "link" else "exit"
            return {kind: self.terms.term(failed.reason)}
        except CallCycle:
            return {"exit": "calling_self"}

    def to(self, step: Json) -> Any:
        """Return the process that an operation is about; `None` if nobody has the name."""
        to = step["to"]
        return whereis(to["name"]) if isinstance(to, dict) else self.terms.named(to)

    def value(self, step: Json, key: str = "reason") -> Any:
        return self.terms.value(step[key])

    def do_exit1(self, step: Json) -> None:
        exit(self.value(step))

    def do_raise(self, step: Json) -> None:
        raise Uncaught(self.value(step))

    def do_throw(self, step: Json) -> None:
        raise Uncaught(("nocatch", self.value(step)))

    def do_return(self, _step: Json) -> None:
        raise Returned

    def do_trap_exit(self, step: Json) -> bool:
        me = current_process()
        old, me.trap_exit = me.trap_exit, step["v"]
        return old

    def do_spawn(self, step: Json) -> Any:
        started = self.world.spawn(SPAWNS[step["how"]], step["as"], trap=step.get("trap", False))
        if "mon" in step:
            self.terms.name(step["mon"], started[1])
        return started

    def do_link(self, step: Json) -> bool:
        link(self.to(step))
        return True

    def do_unlink(self, step: Json) -> bool:
        unlink(self.to(step))
        return True

    def do_exit2(self, step: Json) -> bool:
        exit(self.to(step), self.value(step))
        return True

    def do_monitor(self, step: Json) -> Any:
        to = step["to"]
        watch = monitor(to["name"] if isinstance(to, dict) else self.terms.named(to))
        self.terms.name(step["as"], watch)
        return watch

    def do_demonitor(self, step: Json) -> bool:
        watch, options = self.terms.named(step["mon"]), step.get("opts", [])
        was_set = demonitor(watch, flush="flush" in options)
        if "flush" in options:
            self.box[:] = [one for one in self.box if getattr(one, "monitor", None) is not watch]
        return was_set if "info" in options else True

    def do_send(self, step: Json) -> Any:
        to, message = self.to(step), self.value(step, "msg")
        if to is None:
            raise NotFound("noproc")
        if to.is_alive():
            to.tell(message)
        return message

    def do_recv_all(self, _step: Json) -> list[Any]:
        self.box += _waiting()
        taken = self.box.copy()
        self.box.clear()
        return taken

    def do_register(self, step: Json) -> bool:
        register(step["name"], self.terms.named(step["who"]))
        return True

    def do_unregister(self, step: Json) -> bool:
        unregister(step["name"])
        return True

    def do_whereis(self, step: Json) -> Any:
        return whereis(step["name"])

    def do_is_alive(self, step: Json) -> bool:
        who = self.terms.named(step["who"])
        alive = who.is_alive()
        if not alive and step["who"] not in self.world.gone:
            waited()  # Erlang's `is_process_alive` waits until the signals before it have acted.
        return alive

    def do_gs_start(self, step: Json) -> Any:
        start = Worker.start_link if step["how"] == "start_link" else Worker.start
        try:
            server = start(self.world, step)
        except StartError as error:
            return ("error", error.reason)
        finally:
            waited()
        return "ignore" if server is None else ("ok", server)

    def do_call(self, step: Json) -> Any:
        to = self.to(step)
        if to is None:
            raise CallExit("noproc", step["to"])
        try:
            return to.ask(self.value(step, "req"), timeout=step.get("timeout", 5000) / 1000)
        finally:
            waited()

    def do_cast(self, step: Json) -> str:
        to = self.to(step)
        if to is not None:
            to.cast(self.value(step, "msg"))
        return "ok"

    def do_gs_stop(self, step: Json) -> str:
        to = self.to(step)
        if to is None:
            raise CallExit("noproc", step["to"])
        stopped = to.stop(reason=self.value(step), timeout=5.0)
        waited()
        if not stopped:
            raise CallExit("noproc", step["to"])
        return "ok"


def waited() -> None:
    """Let the others run their course, and act on what has come of that.

    Whoever waits gives up its place: by the time that Erlang comes to a process that was answered,
    those that were ended meanwhile are gone, and their links have told.
    """
    me = current_process()
    if me is not None:
        settle()
        me.node.sleep(MOMENT)


SPAWNS = {"spawn": spawn, "spawn_link": spawn_link, "spawn_monitor": spawn_monitor}


def _waiting() -> Iterator[Any]:
    """Take out what lies in the mailbox of the process that runs here."""
    while True:
        try:
            yield receive(timeout=0)
        except TimeoutError:
            return


class Worker(Server):
    """A server of a scenario."""

    def init(self, world: World, step: Json) -> Any:
        self.world, self.name, self.trap_exit = world, step["as"], step.get("trap", False)
        world.born(self.name, current_process())
        match world.terms.value(step.get("init", "ok")):
            case ("stop", reason):
                self.stop(reason)
            case ("raise", reason):
                raise Uncaught(reason)
            case "ignore":
                return ignore
        return None

    def handle_call(self, message: Any, _caller: Any) -> Any:
        match message:
            case ("stop", reason):
                self.stop(reason)
                return "stopping"
            case ("stop_noreply", reason):
                self.stop(reason)
                return noreply
            case "noreply":
                return noreply
        return self.end(message)

    def handle_cast(self, message: Any) -> None:
        match message:
            case ("stop", reason):
                self.stop(reason)
            case _ if self.end(message) is message:
                self.handle_info(("$cast", message))

    def end(self, message: Any) -> Any:
        """End as the message says; return it if it says nothing of that."""
        match message:
            case ("raise", reason):
                raise Uncaught(reason)
            case ("exit", reason):
                exit(reason)
        return message

    def handle_info(self, message: Any) -> None:
        self.world.witness.cast(("info", self.name, message))

    def terminate(self, reason: Any) -> None:
        self.world.witness.cast(("terminate", self.name, reason))
