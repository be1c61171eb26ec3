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
from tests.otp.supervisor_model import PATIENCE, Life, Modelled, Part, World
from tests.volume import scaled

IDS = "abcd"
REASONS = ["normal", "shutdown", ("shutdown", "tired"), "boom", "crash", "killed"]

ids = st.sampled_from(IDS)
numbers = st.integers(0, 1000)
outcomes = st.lists(st.sampled_from(["ok", "refuse", "crash", "ignore"]), max_size=5)
# Most start well at first: what happens later is what is to be seen.
starts = st.tuples(st.sampled_from(["ok"] * 12 + ["ignore", "refuse"]), outcomes).map(
    lambda parts: (parts[0], *parts[1])
)
changes = st.sampled_from(["terminate_child", "restart_child", "delete_child"])
questions = st.sampled_from(["which_children", "count_children"])


def parts(**fixed: Any) -> st.SearchStrategy[Part]:
    return st.builds(
        Part,
        id=ids,
        restart=st.sampled_from(["permanent", "transient", "temporary"]),
        significant=st.booleans(),
        brutal=st.booleans(),
        kind=st.sampled_from(["plain", "trapping", "deaf"]),
        starts=starts,
        **fixed,
    )


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

    def known(self) -> dict[Any, int]:
        begun = [event[1] for event in self.log if event[0] == "start"]
        return {ref: number for number, ref in enumerate(begun)}

    def ref_of(self, life: Life) -> Ref[Any]:
        begun = [event[1] for event in self.log if event[0] == "start"]
        ref: Ref[Any] = begun[life.number]
        return ref

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
        children=st.lists(parts(), max_size=4, unique_by=lambda part: part.id),
        strategy=st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
        auto_shutdown=st.sampled_from(["never", "any_significant", "all_significant"]),
        intensity=st.integers(0, 9),
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
        model = Modelled(self.world, strategy, auto_shutdown, intensity, period)
        fitting = [part for part in map(self.fit, children) if model.takes(part)]
        self.model = model
        expected = model.begin(fitting)
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
    @rule(reason=st.sampled_from(["normal", "shutdown", "boom"]))
    def stop(self, reason: str) -> None:
        self.world.now = self.node.clock.now()
        self.model.die(reason)
        assert self.tree.stop(reason=reason)
        self.go_on()

    @precondition(lambda self: self.there())
    @rule()
    def kill(self) -> None:
        before = len(self.log)
        self.model.be_killed()
        exit(self.tree, "kill")
        self.go_on()
        # All at once; who is first is nobody's promise.
        known = self.known()
        self.log[before:] = sorted(self.log[before:], key=lambda event: known[event[1]])
        self.world.log[before:] = sorted(self.world.log[before:])

    @precondition(lambda self: self.there())
    @rule()
    def a_stranger_signals(self) -> None:
        spawn(exit, self.tree, "shutdown")
        self.post("stranger")

    @rule(quarters=st.integers(1, 16))
    def time_passes(self, quarters: int) -> None:
        self.let_pass(quarters / 4)

    # Held up, mail comes in and waits

    @precondition(lambda self: self.there() and not self.held)
    @rule()
    def hold_up(self) -> None:
        sys.suspend(self.tree)
        self.held = True

    @precondition(lambda self: self.held)
    @rule()
    def let_go(self) -> None:
        self.world.now = self.node.clock.now()
        self.model.handle_mail()
        sys.resume(self.tree)
        self.go_on()

    def go_on(self) -> None:
        """Wait until it has done what there is, and compare the answers."""
        self.held = False
        settle(self.node)
        assert self.replies == self.model.replies
        self.replies.clear()
        self.model.replies.clear()

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

    def call(self, function: str, given: Any, args: tuple[Any, ...]) -> None:
        self.asked += 1
        token = self.asked

        def ask() -> None:
            self.replies[token] = self.outcome(function, *args)

        spawn(ask)
        self.post("call", token, function, given)

    # Children, and its functions

    def living(self) -> list[Life]:
        return [life for life in self.world.lives if life.alive]

    @precondition(lambda self: self.living())
    @rule(which=numbers, reason=st.sampled_from(REASONS))
    def a_child_ends(self, which: int, reason: Any) -> None:
        living = self.living()
        life = living[which % len(living)]
        process = self.ref_of(life)
        self.world.ends_by_itself(life, reason)
        if reason == "killed":
            exit(process, "kill")
        else:
            process.cast(reason)
        assert plain(death_of(process)) == reason
        self.post("exit", life, reason)

    @precondition(lambda self: self.there())
    @rule(part=parts())
    def start_child(self, part: Part) -> None:
        part = self.fit(part)
        self.call("start_child", (part,), (self.spec(part),))

    @precondition(lambda self: self.there())
    @rule(child_id=ids, function=changes)
    def by_hand(self, child_id: str, function: str) -> None:
        self.call(function, (child_id,), (child_id,))

    @precondition(lambda self: self.there())
    @rule(function=questions)
    def ask(self, function: str) -> None:
        self.call(function, (), ())

    @precondition(lambda self: self.there() and not self.held and self.living())
    @rule(
        which=numbers,
        reason=st.sampled_from(REASONS),
        deeds=st.lists(
            st.tuples(st.just("by_hand"), ids, changes)
            | st.tuples(st.just("ask"), questions)
            | st.tuples(st.just("start_child"), parts())
            | st.tuples(st.just("a_child_ends"), numbers, st.sampled_from(REASONS)),
            max_size=4,
        ),
    )
    def a_child_ends_and_more_is_there_before_it_is_restarted(
        self, which: int, reason: Any, deeds: list[Any]
    ) -> None:
        self.hold_up()
        self.a_child_ends(which, reason)
        for deed, *args in deeds:
            if deed != "a_child_ends" or self.living():
                getattr(self, deed)(*args)
        self.let_go()

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
