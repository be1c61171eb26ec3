"""Supervisors against a plain model of OTP's rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from beam.errors import CallExit, Refused, StartError, SupervisorRefused
from beam.otp import Crash, Ref, Server, Supervisor, child, exit, ignore, spawn, sys
from beam.testing import settle
from tests.otp.actors import death_of, eventually
from tests.otp.stateful import Inhabited, check, seeds
from tests.otp.supervisor_model import PATIENCE, Modelled, Part, World
from tests.volume import scaled

REASONS = ["normal", "shutdown", ("shutdown", "tired"), "boom", "crash", "killed"]

ids = st.sampled_from("abc")
numbers = st.integers(0, 1000)
# Most start well at first: what happens later is what is to be seen.
starts = st.sampled_from(
    [
        (),
        ("ok", "refuse"),
        ("ok", "crash", "refuse"),
        ("ok", "ok", "refuse", "refuse", "crash"),
        ("ok", "refuse", "ignore"),
        ("ok", "ignore"),
        ("ok", "ok", "crash"),
        ("ignore",),
        ("refuse",),
    ]
)


def parts(**fixed: Any) -> st.SearchStrategy[Part]:
    return st.builds(
        Part,
        id=ids,
        restart=st.sampled_from(["permanent", "transient", "transient", "temporary"]),
        significant=st.booleans(),
        brutal=st.booleans(),
        kind=st.sampled_from(["plain", "trapping", "deaf"]),
        starts=starts,
        **fixed,
    )


def deeds() -> st.SearchStrategy[tuple[Any, ...]]:
    """Return one thing that happens; most often a child ends."""
    ends = st.tuples(st.just("end"), numbers, st.sampled_from(REASONS))
    by_hand = st.sampled_from(["terminate_child", "restart_child", "delete_child"])
    calls = st.one_of(
        st.tuples(st.just("by_hand"), by_hand, ids),
        st.tuples(st.just("ask"), st.sampled_from(["which_children", "count_children"])),
        st.tuples(st.just("start_child"), parts()),
    )
    rare = st.sampled_from([("stop", "boom"), ("kill",), ("stranger",), ("stranger",)])
    time = st.tuples(st.just("time_passes"), st.integers(1, 16))
    return st.one_of(ends, ends, ends, calls, calls, time, rare)


class Member(Server):
    """Notes its starts and ends, and turns out as its part says."""

    def init(self, log: list[Any], part: Part, left: list[str]) -> Any:
        self.trap_exit = part.kind != "plain"
        self.log, self.deaf = log, part.kind == "deaf"
        outcome = left.pop(0) if left else "ok"
        log.append(("start", self.actor_ref, part.id))
        if outcome == "refuse":
            raise Refused("not_today")
        if outcome == "crash":
            raise LookupError("in init")
        return ignore if outcome == "ignore" else None

    def handle_cast(self, reason: Any) -> None:
        self.deaf = False
        if reason == "crash":
            raise LookupError("told to")
        exit(reason)

    def terminate(self, reason: Any) -> None:
        self.log.append(("stop", self.actor_ref, plain(reason)))
        if self.deaf and reason == "shutdown":
            self.sleep(100 * PATIENCE)


def plain(reason: Any) -> Any:
    """Return a reason as the model has it: of a crash, that it was one."""
    match reason:
        case Crash():
            return "crash"
        case ("shutdown", ("failed_to_start_child", child_id, why)):
            return "shutdown", ("failed_to_start_child", child_id, plain(why))
    return reason


class SupervisorAgainstTheModel(Inhabited):
    """Children end, and functions are called: one by one, or while it is held up, all at once."""

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        self.enter_standing(seed)
        self.tree: Any = None
        self.log: list[Any] = []
        self.world = World(self.node.clock.now())
        self.model = Modelled(self.world, "one_for_one", "never", 0, 1)
        self.model.be_killed()
        self.held = False
        self.asked = 0
        self.replies: dict[int, Any] = {}

    def there(self) -> bool:
        return self.model.alive

    # What is seen, in the words of the model

    def refs(self) -> list[Ref[Any]]:
        return [event[1] for event in self.log if event[0] == "start"]

    def known(self) -> dict[Any, int]:
        return {ref: number for number, ref in enumerate(self.refs())}

    def outcome(self, function: str, *args: Any) -> Any:
        """Call a function of the supervisor; return what came of it."""
        try:
            came = getattr(self.tree, function)(*args, timeout=None)
        except SupervisorRefused as refused:
            return "refused", self.refusal(refused.reason)
        except CallExit as gone:
            return "exit", gone.reason
        if function == "which_children":
            return [(one.id, self.shown(one.process)) for one in came]
        return tuple(came) if function == "count_children" else self.shown(came)

    def refusal(self, reason: Any) -> Any:
        match reason:
            case ("already_started", process):
                return "already_started", self.known()[process]
            case ("bad_combination", _):
                return "bad_combination"
            case (why, _spec):
                return "failed", plain(why)
        return plain(reason)

    def shown(self, process: Any) -> Any:
        return self.known()[process] if isinstance(process, Ref) else process or ""

    def spec(self, part: Part) -> Any:
        return child(
            Member,
            self.log,
            part,
            list(part.starts),
            id=part.id,
            restart=part.restart,
            significant=part.significant,
            shutdown="brutal" if part.brutal else PATIENCE,
        )

    # Its life

    @precondition(lambda self: not self.there())
    @rule(
        children=st.lists(parts(), min_size=1, max_size=3, unique_by=lambda part: part.id),
        strategy=st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
        auto_shutdown=st.sampled_from(["never", "any_significant", "all_significant"]),
        intensity=st.sampled_from([0, 1, 2, 3, 5, 20]),
        period=st.integers(1, 3),
    )
    def start(
        self,
        children: list[Part],
        strategy: str,
        auto_shutdown: str,
        intensity: int,
        period: int,
    ) -> None:
        self.world.now = self.node.clock.now()
        self.model = Modelled(self.world, strategy, auto_shutdown, intensity, period)
        fitting = [part for part in map(self.fit, children) if self.model.takes(part)]
        expected = self.model.begin(fitting)
        assert expected == self.outcome_of_start(
            map(self.spec, fitting),
            strategy=strategy,
            auto_shutdown=auto_shutdown,
            max_restarts=intensity,
            max_seconds=period,
        )

    def outcome_of_start(self, children: Any, **flags: Any) -> Any:
        """Start the supervisor; return the reason if it does not start."""
        try:
            self.tree = Supervisor.start(children, **flags)
        except StartError as failed:
            self.tree = None
            return plain(failed.reason)
        return None

    def fit(self, part: Part) -> Part:
        """Return the part, of a child that hears: who has to be killed takes time."""
        if self.scheduler == "simulation" or part.kind != "deaf":
            return part
        return replace(part, kind="trapping")

    @precondition(lambda self: self.there())
    @rule(deed=deeds())
    def something_happens(self, deed: tuple[Any, ...]) -> None:
        self.happens(*deed)

    @precondition(lambda self: self.there())
    @rule(end=st.tuples(numbers, st.sampled_from(REASONS)), more=st.lists(deeds(), max_size=5))
    def it_is_held_up_while_a_child_ends_and_more_happens(
        self, end: tuple[int, Any], more: list[tuple[Any, ...]]
    ) -> None:
        sys.suspend(self.tree)
        self.held = True
        for deed in (("end", *end), *more):
            if self.held:
                self.happens(*deed)
        if self.held:
            self.world.now = self.node.clock.now()
            self.model.handle_mail()
            sys.resume(self.tree)
            self.go_on()

    # What happens

    def happens(self, deed: str, *args: Any) -> None:
        getattr(self, f"_{deed}")(*args)

    def _time_passes(self, quarters: int) -> None:
        self.let_pass(quarters / 4)

    def _end(self, which: int, reason: Any) -> None:
        """End a child."""
        living = [life for life in self.world.lives if life.alive]
        if not living:
            return
        life = living[which % len(living)]
        process = self.refs()[life.number]
        self.world.ends_by_itself(life, reason)
        if reason == "killed":
            exit(process, "kill")
        else:
            process.cast(reason)
        assert plain(death_of(process)) == reason
        self.post("exit", life, reason)

    def _by_hand(self, function: str, child_id: str) -> None:
        self.call(function, (child_id,), (child_id,))

    def _ask(self, function: str) -> None:
        self.call(function, (), ())

    def _start_child(self, part: Part) -> None:
        part = self.fit(part)
        self.call("start_child", (part,), (self.spec(part),))

    def _stranger(self) -> None:
        """Have somebody who is not its parent signal that it is to end."""
        spawn(exit, self.tree, "shutdown")
        self.post("stranger")

    def _stop(self, reason: str) -> None:
        self.world.now = self.node.clock.now()
        self.model.die(reason)
        assert self.tree.stop(reason=reason)
        self.go_on()

    def _kill(self) -> None:
        before = len(self.log)
        self.model.be_killed()
        exit(self.tree, "kill")
        self.go_on()
        # All at once; who is first is nobody's promise.
        known = self.known()
        self.log[before:] = sorted(self.log[before:], key=lambda event: known[event[1]])
        self.world.log[before:] = sorted(self.world.log[before:])

    # Mail that both get

    def call(self, function: str, given: Any, args: tuple[Any, ...]) -> None:
        """Have a process call a function."""
        self.asked += 1
        token = self.asked

        def ask() -> None:
            self.replies[token] = self.outcome(function, *args)

        spawn(ask)
        self.post("call", token, function, given)

    def post(self, *message: Any) -> None:
        """Have the model get mail that the supervisor gets, and both handle it unless held up."""
        self.model.mail.append(message)
        if self.held:
            waiting = len(self.model.mail)
            eventually(lambda: sys.get_status(self.tree).mailbox == waiting)
        else:
            self.world.now = self.node.clock.now()
            self.model.handle_mail()
            self.go_on()

    def go_on(self) -> None:
        """Wait until it has done what there is, and compare the answers."""
        self.held = False
        settle(self.node)
        assert self.replies == self.model.replies
        self.replies.clear()
        self.model.replies.clear()

    # What must hold

    @invariant()
    def all_that_can_be_seen_is_the_same(self) -> None:
        if not hasattr(self, "tree") or self.held:
            return
        known = self.known()
        seen = [(kind, known[ref], what) for kind, ref, what in self.log]
        assert seen == self.world.log
        for ref, life in zip(known, self.world.lives, strict=True):
            assert ref.is_alive() is life.alive
            if life.reason is not None:
                assert plain(ref.exit_reason) == life.reason
        if self.tree is None:
            return
        assert self.tree.is_alive() is self.model.alive
        assert plain(self.tree.exit_reason) == self.model.reason
        if self.model.alive:
            assert self.outcome("which_children") == self.model.which_children()
            assert self.outcome("count_children") == self.model.count_children()
            flags = self.model.intensity, self.model.period
            self.world.now = self.node.clock.now()
            assert self.tree.tree().restarts == (self.model.used(), *flags)


@pytest.mark.usefixtures("unlogged")
@pytest.mark.schedulers("simulation", "pool")
def test_g10_a_supervisor_does_what_the_model_does(scheduler: Any) -> None:
    examples = scaled(500 if scheduler == "simulation" else 100)
    check(SupervisorAgainstTheModel, scheduler, examples=examples)
