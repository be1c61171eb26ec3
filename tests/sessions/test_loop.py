"""`beam.sessions.loop`: the core alone, under everything that may happen in any order."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from beam.errors import LoopFailed, ProviderFailed, QueueFull
from beam.providers.provider import OpenOptions
from beam.providers.values import ToolResult
from beam.sessions import loop as loop_module
from beam.sessions.loop import AgentLoop
from beam.sessions.loop_effects import (
    AskGuard,
    Cancel,
    Connect,
    Fail,
    Finish,
    Reconnect,
    RunTools,
    Send,
    Tell,
)
from beam.sessions.loop_rules import Rules
from tests.providers.stubs import Polled, Streamed, asks, says, use

MAX_TURNS = 3


class Core(RuleBasedStateMachine):
    """Whatever happens, each request that was begun ends once, and nothing is done out of turn."""

    @initialize(
        streams=st.booleans(), live=st.booleans(), guarded=st.booleans(), required=st.booleans()
    )
    def opened(self, streams, live, guarded, required):
        self.provider = Streamed() if streams else Polled()
        self.rules = Rules(
            max_turns=MAX_TURNS,
            guarded=guarded,
            require_terminal_tool=required,
            terminal_tool="submit" if required else None,
            live=live,
        )
        self.core = AgentLoop(self.provider, self.rules)
        self.up = self.was_up = not streams
        self.linking = False  # A connect, or a reconnect, is on its way.
        self.begun, self.ended, self.queued = 1, 0, 0
        self.owed = None  # What the core waits for: "turn", "guard", or the tool uses.
        self.number = 0
        self.known = []
        self.do(self.core.opened("s-1", resumed=False, options=OpenOptions(prompt="Go.")))

    def do(self, effects):
        for effect in effects:
            match effect:
                case Connect() | Reconnect():
                    assert not self.linking
                    self.linking, self.up = True, False
                case Send():
                    assert self.up
                    self.owed = "turn"
                case AskGuard(progress):
                    assert self.rules.guarded
                    assert progress.turns == self.core.account.turns
                    self.owed = "guard"
                case RunTools(uses):
                    assert uses
                    assert len({each.id for each in uses}) == len(uses)
                    self.owed = uses
                case Cancel():
                    self.owed = None
                case Finish(result):
                    assert result.turns <= MAX_TURNS
                    self.over()
                case Fail(error, result):
                    assert isinstance(error, LoopFailed | ProviderFailed)
                    assert result.terminal == "terminated"
                    assert result.turns <= MAX_TURNS + 1
                    self.over()

    def over(self):
        self.ended += 1
        self.owed = None
        if self.core.phase != "draining":
            self.next()

    def next(self):
        if self.queued:
            self.queued -= 1
            self.begun += 1

    def new_id(self):
        self.number += 1
        return f"e-{self.number}"

    def turn(self, kind, uses):
        event_id = self.new_id()
        if kind == "says":
            event = says(event_id=event_id)
        elif kind == "answered":
            event = {**asks(event_id=event_id), "answered": 1}
        elif kind == "terminated":
            event = {**says(event_id=event_id), "terminal": "terminated"}
        else:
            event = asks(*(use(name, number) for name, number in uses), event_id=event_id)
        self.known.append(event)
        return event

    kinds = st.sampled_from(["says", "asks", "asks", "answered", "terminated"])
    some_uses = st.lists(
        st.tuples(st.sampled_from(["add", "submit"]), st.integers(1, 4)), max_size=3
    )

    @precondition(lambda self: self.owed == "turn" and self.up)
    @rule(kind=kinds, uses=some_uses)
    def a_turn_ends(self, kind, uses):
        event = self.turn(kind, uses)
        self.owed = None
        if self.provider.mode == "streaming":
            self.do(self.core.event(event))
        else:
            self.do(self.core.polled([event]))

    @precondition(lambda self: self.owed == "guard")
    @rule(answer=st.sampled_from([None, "cont", ("halt", "enough"), "nonsense"]))
    def the_guard_answers(self, answer):
        self.owed = None
        self.do(self.core.guarded(answer))

    @precondition(lambda self: isinstance(self.owed, tuple))
    @rule()
    def the_tools_are_done(self):
        results = [ToolResult(each.id, "fine") for each in self.owed]
        self.owed = None
        self.do(self.core.tools_done(results))

    @precondition(lambda self: self.rules.live)
    @rule()
    def somebody_asks(self):
        waits = self.core.phase != "idle"
        self.do(self.core.message("more"))
        if waits:
            self.queued += 1
        else:
            self.begun += 1

    @precondition(lambda self: self.owed == "turn")
    @rule(error=st.sampled_from([OSError("no"), ProviderFailed("no")]))
    def an_input_fails(self, error):
        self.do(self.core.unsent(error))

    @precondition(lambda self: self.core.phase in ("turn", "guard", "tools"))
    @rule()
    def somebody_interrupts(self):
        self.do(self.core.interrupt())

    @precondition(lambda self: self.linking)
    @rule(works=st.booleans(), missed=kinds, uses=some_uses, over=st.booleans())
    def the_link_is_there(self, works, missed, uses, over):
        self.linking = False
        if works and not self.was_up:
            self.up = self.was_up = True
            self.do(self.core.connected())
        elif works:
            self.up = True
            drained = self.core.phase == "draining" and (over or not self.known)
            if self.core.phase == "turn" and self.owed == "turn":
                self.turn(missed, uses)
            elif drained and over:
                self.turn("says", ())
            self.do(self.core.reconnected("s-1", tuple(self.known)))
            if drained:
                self.next()
        elif self.rules.live:
            self.do(self.core.unreachable(OSError("down")))

    @precondition(lambda self: self.up and self.provider.mode == "streaming" and not self.linking)
    @rule(error=st.sampled_from([None, OSError("broken")]))
    def the_stream_drops(self, error):
        self.do(self.core.dropped(error))

    @precondition(lambda self: self.known and self.up)
    @rule()
    def an_old_event_comes_again(self):
        if self.provider.mode == "streaming":
            assert self.core.event(self.known[0]) == []

    @precondition(lambda self: self.core.phase == "draining" and self.up)
    @rule()
    def the_interrupted_turn_ends(self):
        event = says(event_id=self.new_id())
        self.known.append(event)
        ended = self.ended
        self.do(self.core.event(event))
        self.next()
        assert self.ended == ended

    @rule()
    def nothing_happens(self): ...

    @invariant()
    def each_request_ends_once(self):
        if not hasattr(self, "core"):
            return
        at_work = self.core.phase in ("turn", "guard", "tools")
        assert self.begun - self.ended == (1 if at_work else 0)
        if not self.rules.live and self.ended:
            assert self.core.phase == "ended"


TestCore = Core.TestCase


def started(provider=None, **rules):
    core = AgentLoop(provider or Polled(), Rules(**rules))
    core.opened("s-1", resumed=False, options=OpenOptions(prompt="Go."))
    return core


def test_so_many_messages_wait_and_one_more_is_refused(monkeypatch):
    monkeypatch.setattr(loop_module, "INBOX", 2)
    core = started(live=True)
    core.message("one")
    core.message("two")
    with pytest.raises(QueueFull) as caught:
        core.message("three")
    assert caught.value.limit == 2


def test_messages_that_wait_are_told_when_they_are_interrupted():
    core = started(Streamed(), live=True)
    core.connected()
    core.interrupt()
    assert core.phase == "draining"
    core.message("waits")
    assert [type(each).__name__ for each in core.interrupt()] == ["Emit", "Fail"]


def test_a_use_that_one_batch_names_twice_is_run_once():
    core = started()
    effects = core.polled([asks(use(), use())])
    assert [len(each.uses) for each in effects if isinstance(each, RunTools)] == [1]
    assert ("duplicate_tool_use",) in [each.name for each in effects if hasattr(each, "name")]


def test_what_the_server_says_while_tools_run_is_heard_after_them():
    core = started(Streamed())
    core.connected()
    core.event(asks(use(), event_id="e-1"))
    effects = core.event({**says(event_id="e-2"), "terminal": "terminated"})
    assert [type(each) for each in effects] == [Tell]
    effects = core.tools_done([ToolResult("call_1", "fine")])
    assert isinstance(effects[0], Send)
    assert isinstance(effects[-1], Finish)
    assert effects[-1].result.terminal == "terminated"


def test_a_provider_that_cannot_understand_its_own_events_fails_the_turn():
    class Broken(Polled):
        def normalize(self, events):
            raise KeyError("type")

    finish = started(Broken()).polled([{}])[-1]
    assert (finish.result.terminal, finish.result.stop_reason) == (
        "terminated",
        "malformed: KeyError: 'type'",
    )


@pytest.mark.parametrize("heard", ["polled", "guarded", "tools_done", "unsent"])
def test_what_comes_when_all_is_over_is_dropped(heard):
    core = started()
    core.polled([says()])
    assert core.phase == "ended"
    assert getattr(core, heard)([]) == []
    assert core.event(says()) == []
    assert core.interrupt() == []
