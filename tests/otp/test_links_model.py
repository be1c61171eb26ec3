"""Links, monitors, names and exit signals against a plain model of Erlang's rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, multiple, rule

from beam.errors import AlreadyExists, CallExit, NotFound
from beam.otp import (
    Down,
    Exit,
    current_process,
    demonitor,
    exit,
    link,
    monitor,
    register,
    unlink,
    unregister,
    whereis,
)
from tests.otp.actors import KINDS, SOON, Echo, eventually
from tests.otp.stateful import Inhabited, check, seeds
from tests.volume import scaled


@dataclass
class Modelled:
    """A process, as Erlang would have it."""

    trap: bool
    reason: Any = None
    alive: bool = True
    links: set[int] = field(default_factory=set)
    name: str | None = None
    mail: list[Any] = field(default_factory=list)


@dataclass
class Watching:
    """A monitor."""

    owner: int
    target: int
    named: str | None
    active: bool


class World:
    """All processes of the model."""

    def __init__(self) -> None:
        self.processes: list[Modelled] = []
        self.monitors: list[Watching] = []

    def named(self, name: str) -> int | None:
        for at, process in enumerate(self.processes):
            if process.alive and process.name == name:
                return at
        return None

    def signal(self, to: int, sender: int, reason: Any, *, sent: bool) -> None:
        target = self.processes[to]
        if not target.alive:
            return
        if sent and reason == "kill":
            self.die(to, "killed")
        elif target.trap:
            target.mail.append(("exit", sender, reason))
        elif reason != "normal" or (to == sender and sent):
            self.die(to, reason)

    def die(self, which: int, reason: Any) -> None:
        process = self.processes[which]
        process.alive, process.reason = False, reason
        links, process.links = process.links, set()
        for watching in self.monitors:
            if watching.owner == which:
                watching.active = False
        for at, watching in enumerate(self.monitors):
            if watching.active and watching.target == which:
                watching.active = False
                self.processes[watching.owner].mail.append(("down", at, reason))
        for peer in links:
            self.processes[peer].links.discard(which)
        for peer in links:
            self.signal(peer, which, reason, sent=False)


names = st.sampled_from(["n1", "n2", "n3"])
reasons = st.sampled_from(["normal", "shutdown", "kill", "boom", ("shutdown", 1)])


class LinksAgainstTheModel(Inhabited):
    """Does the same to processes and to the model, and compares all that can be seen."""

    who = Bundle("who")
    watch = Bundle("watch")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.refs: list[Any] = []
        self.monitors: list[Any] = []

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        self.enter(seed)

    def by(self, actor: int, act: Any) -> Any:
        """Have a process do something; return what came of it, `"dead"` if it died of it."""
        assert self.world.processes[actor].alive

        def acting() -> Any:
            try:
                return act()
            except (AlreadyExists, NotFound):
                return "badarg"
            except CallExit as gone:
                return gone.reason

        try:
            return self.refs[actor].ask(("do", acting), timeout=SOON)
        except CallExit:
            return "dead"

    def alive(self, which: int) -> bool:
        return self.world.processes[which].alive

    @rule(target=who, trap=st.booleans(), kind=st.sampled_from(KINDS))
    def start(self, trap: bool, kind: type[Echo]) -> int:
        self.refs.append(kind.start(trap_exit=trap))
        self.world.processes.append(Modelled(trap))
        return len(self.refs) - 1

    @rule(one=who, other=who)
    def link(self, one: int, other: int) -> None:
        if not self.alive(one):
            return
        came = self.by(one, lambda: link(self.refs[other]))
        processes = self.world.processes
        if one == other or processes[other].alive:
            assert came is None
            if one != other:
                processes[one].links.add(other)
                processes[other].links.add(one)
        elif processes[one].trap:
            processes[one].mail.append(("exit", other, "noproc"))
        else:
            assert came == "noproc"

    @rule(one=who, other=who)
    def unlink(self, one: int, other: int) -> None:
        if self.alive(one):
            self.by(one, lambda: unlink(self.refs[other]))
            self.world.processes[one].links.discard(other)
            self.world.processes[other].links.discard(one)

    @rule(target=watch, one=who, other=who)
    def monitor(self, one: int, other: int) -> Any:
        if not self.alive(one):
            return multiple()
        self.by(one, lambda: self.monitors.append(monitor(self.refs[other])))
        return self._watching(one, other, None)

    @rule(target=watch, one=who, name=names)
    def monitor_by_name(self, one: int, name: str) -> Any:
        if not self.alive(one):
            return multiple()
        self.by(one, lambda: self.monitors.append(monitor(name)))
        return self._watching(one, self.world.named(name), name)

    def _watching(self, owner: int, target: int | None, name: str | None) -> int:
        at = len(self.world.monitors)
        there = target is not None and self.alive(target)
        self.world.monitors.append(
            Watching(owner, -1 if target is None else target, name, there and target != owner)
        )
        if not there:
            self.world.processes[owner].mail.append(("down", at, "noproc"))
        return at

    @rule(which=watch, flush=st.booleans())
    def demonitor(self, which: int, flush: bool) -> None:
        watching = self.world.monitors[which]
        if not self.alive(watching.owner):
            return
        came = self.by(watching.owner, lambda: demonitor(self.monitors[which], flush=flush))
        assert came is watching.active
        watching.active = False

    @rule(which=who, name=names, by=who)
    def register(self, which: int, name: str, by: int) -> None:
        if not self.alive(by):
            return
        came = self.by(by, lambda: register(name, self.refs[which]))
        process = self.world.processes[which]
        if process.alive and process.name is None and self.world.named(name) is None:
            assert came is None
            process.name = name
        else:
            assert came == "badarg"

    @rule(name=names, by=who)
    def unregister(self, name: str, by: int) -> None:
        if not self.alive(by):
            return
        came = self.by(by, lambda: unregister(name))
        holder = self.world.named(name)
        assert came == ("badarg" if holder is None else None)
        if holder is not None:
            self.world.processes[holder].name = None

    @rule(one=who, trap=st.booleans())
    def trap(self, one: int, trap: bool) -> None:
        if self.alive(one):

            def set_trap() -> None:
                self.refs[one].control.actor.trap_exit = trap

            self.by(one, set_trap)
            self.world.processes[one].trap = trap

    @rule(by=who, to=who, reason=reasons)
    def send_signal(self, by: int, to: int, reason: Any) -> None:
        if self.alive(by):
            self.by(by, lambda: exit(self.refs[to], reason))
            self.world.signal(to, by, reason, sent=True)

    @rule(one=who, reason=reasons)
    def exit_by_itself(self, one: int, reason: Any) -> None:
        if self.alive(one):
            assert self.by(one, lambda: exit(reason)) == "dead"
            self.world.die(one, reason)

    @rule(one=who)
    def stop(self, one: int) -> None:
        alive = self.alive(one)
        assert self.refs[one].stop(timeout=SOON) is alive
        if alive:
            self.world.die(one, "normal")

    @invariant()
    def all_that_can_be_seen_is_the_same(self) -> None:
        if not hasattr(self, "node"):
            return
        self._the_living_and_the_reasons_of_the_dead()  # First: it waits for those that end.
        self._links_and_names()
        self._mail()

    def _the_living_and_the_reasons_of_the_dead(self) -> None:
        for ref, process in zip(self.refs, self.world.processes, strict=True):
            if not process.alive:
                eventually(lambda ref=ref: not ref.is_alive())
            assert ref.is_alive() is process.alive
            assert ref.exit_reason == process.reason

    def _links_and_names(self) -> None:
        for ref, process in zip(self.refs, self.world.processes, strict=True):
            linked = {each.ref for each in ref.control.links or ()}
            assert linked == {self.refs[peer] for peer in process.links}
        for name in ("n1", "n2", "n3"):
            holder = self.world.named(name)
            assert whereis(name) == (None if holder is None else self.refs[holder])

    def _mail(self) -> None:
        for ref, process in zip(self.refs, self.world.processes, strict=True):
            if process.alive:
                told = Counter(map(self._seen, ref.ask("told", timeout=SOON)))
                assert told == Counter(process.mail)

    def _seen(self, message: Any) -> Any:
        match message:
            case Down(monitor=watching, process=whom, reason=reason):
                at = self.monitors.index(watching)
                expected = self.world.monitors[at]
                assert whom == (expected.named or self.refs[expected.target])
                return "down", at, reason
            case Exit(process=sender, reason=reason):
                return "exit", self.refs.index(sender), reason
        return message


@pytest.mark.usefixtures("unlogged")
@pytest.mark.schedulers("simulation", "pool")
def test_links_monitors_and_names_do_what_the_model_does(scheduler: Any) -> None:
    assert current_process() is None
    check(LinksAgainstTheModel, scheduler, examples=scaled(500))
