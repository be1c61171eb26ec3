"""`beam.sessions.past`: the fold of a session's events, against a model of what a session does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beam.model.events import EVENT_TYPES, Event
from beam.sessions import past as past_module
from beam.sessions.past import HISTORY_CHARACTERS, HISTORY_TURNS, Past, Work


class Model:
    """A session as one would tell it, and the events that it writes."""

    def __init__(self):
        self.events = []
        self.runs = {}
        self.queue = []
        self.running = None
        self.tools = set()
        self.settings = {}
        self.restarts = 0
        self.answered = []
        self.stopped = False
        self.faulted = False

    def write(self, kind, run_id=None, /, **data):
        number = len(self.events) + 1
        where = {"id": f"e{number}", "session_id": "s", "timestamp": number, "run_id": run_id}
        self.events.append(Event(type=kind, data=data, **where))

    def submit(self, on_crash):
        run = f"r{len(self.runs)}"
        self.runs[run] = {"attempts": 0, "crashes": 0, "on_crash": on_crash}
        self.queue.append(run)
        self.write("run_submitted", run, prompt=f"prompt of {run}", on_crash=on_crash, retries=1)

    def start(self):
        if self.running is None and self.queue:
            self.running = self.queue.pop(0)
            self.runs[self.running]["attempts"] += 1
            self.write("run_started", self.running, attempt=self.runs[self.running]["attempts"])

    def say(self):
        if self.running:
            self.write("message", self.running, message={"type": "text", "content": "words"})

    def tool(self):
        if self.running:
            use = f"t{len(self.events)}"
            self.tools.add((self.running, use))
            self.write("tool_call_started", self.running, tool_use_id=use)

    def tool_ends(self):
        if self.tools:
            run, use = min(self.tools)
            self.tools.discard((run, use))
            self.write("tool_call_completed", run, tool_use_id=use, is_error=False)

    def complete(self):
        if self.running:
            self.answered.append(self.running)
            self.write("run_completed", self.running, output=f"answer to {self.running}")
            self.running = None

    def fail(self):
        if self.running:
            self.write("run_failed", self.running, reason="agent_error")
            self.running = None

    def cut(self):
        run = self.running or (self.queue[-1] if self.queue else None)
        if run is None:
            return
        self.write("run_interrupted", run, reason="interrupted")
        if run == self.running:
            self.running = None
        else:
            self.queue.remove(run)

    def choose(self, model):
        self.settings["model"] = model
        self.write("state_changed", settings={"model": model})

    def inject(self):
        self.faulted = True
        self.write("fault_injected", self.running, fault="kill")

    def crash(self):
        self.restarts += 1
        injected, self.faulted = self.faulted, False
        self.write("session_restarted", restarts=self.restarts)
        for run, use in sorted(self.tools):
            self.write("tool_call_unknown", run, tool_use_id=use)
        self.tools.clear()
        if self.running is None:
            return
        run, known = self.running, self.runs[self.running]
        self.running = None
        known["crashes"] += not injected
        if known["on_crash"] == "retry" and known["crashes"] <= 1:
            self.queue.insert(0, run)
            self.write("run_retried", run, crashes=known["crashes"])
        else:
            self.write("run_interrupted", run)


STEPS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(["interrupt", "retry"])),
    st.tuples(st.just("choose"), st.sampled_from(["small", "large"])),
    st.tuples(
        st.sampled_from(
            ["start", "say", "tool", "tool_ends", "complete", "fail", "cut", "inject", "crash"]
        )
    ),
)


def folded(events):
    past = Past()
    for event in events:
        past.take(event)
    return past


@given(st.lists(STEPS, max_size=60))
def test_the_fold_knows_what_the_session_knew(steps):
    model = Model()
    model.write("session_started")
    for name, *arguments in steps:
        getattr(model, name)(*arguments)
        past = folded(model.events)
        running = past.in_flight()
        assert (running.run_id if running else None) == model.running
        assert [work.run_id for work in past.queue()] == model.queue
        for work in [*past.queue(), *([running] if running else [])]:
            known = model.runs[work.run_id]
            assert (work.attempts, work.crashes) == (known["attempts"], known["crashes"])
            assert (work.on_crash, work.prompt) == (known["on_crash"], f"prompt of {work.run_id}")
        assert set(past.open_tools) == model.tools
        assert (past.restarts, past.settings) == (model.restarts, model.settings)
        assert past.faulted == model.faulted
        assert list(past.known) == list(model.runs)
        assert [turn.content for turn in past.history] == [
            words for run in model.answered for words in (f"prompt of {run}", f"answer to {run}")
        ]
        assert past.started_at == 1


EVENTS = st.builds(
    Event,
    id=st.just("e"),
    type=st.sampled_from(EVENT_TYPES),
    session_id=st.just("s"),
    timestamp=st.just(1),
    run_id=st.sampled_from([None, "r1", "r2", "r3"]),
    data=st.fixed_dictionaries(
        {"prompt": st.just("p")},
        optional={
            "on_crash": st.sampled_from(["interrupt", "retry"]),
            "output": st.one_of(st.text(), st.integers(), st.none()),
            "tool_use_id": st.sampled_from(["t1", "t2"]),
            "settings": st.dictionaries(st.sampled_from(["model"]), st.text()),
            "to_state": st.sampled_from(["error", "ready"]),
        },
    ),
)


@given(st.lists(EVENTS, max_size=40))
def test_any_prefix_of_any_events_folds_to_a_past_without_contradictions(events):
    past, ended = Past(), set()
    for event in events:
        past.take(event)
        if event.type in ("run_completed", "run_failed", "run_interrupted"):
            ended.add(event.run_id)
        waiting = [work.run_id for work in past.queue()]
        running = past.in_flight()
        assert len(set(waiting)) == len(waiting)
        assert running is None or running.run_id not in waiting
        assert running is None or running.attempts >= 1
        taken = {*waiting, *([running.run_id] if running else [])}
        assert taken <= past.known.keys()
        assert len(past.history) % 2 == 0


@given(st.lists(STEPS, max_size=30))
def test_a_run_that_has_ended_never_comes_back(steps):
    model = Model()
    for name, *arguments in steps:
        getattr(model, name)(*arguments)
    model.complete()
    again = folded([*model.events, *(one for one in model.events if one.type == "run_submitted")])
    assert [work.run_id for work in again.queue()] == model.queue


def test_the_conversation_keeps_the_newest_turns_and_a_question_with_its_answer():
    past = Past()
    for number in range(HISTORY_TURNS):
        past.remember(f"q{number}", f"a{number}")
    assert len(past.history) == HISTORY_TURNS
    assert past.history[0].role == "user"
    assert past.history[-1].content == f"a{HISTORY_TURNS - 1}"


def test_the_conversation_is_bounded_in_characters_but_keeps_its_last_answer():
    past = Past()
    past.remember("short", "x" * HISTORY_CHARACTERS)
    past.remember("next", "y")
    assert [turn.content for turn in past.history] == ["next", "y"]
    past.remember("long", "z" * 2 * HISTORY_CHARACTERS)
    assert [turn.content[0] for turn in past.history] == ["l", "z"]


def test_an_answer_that_is_data_is_told_as_its_text():
    past = Past()
    past.remember("how many?", {"lines": 3})
    assert past.history[-1].content == '{"lines":3}'


def test_only_the_newest_runs_are_remembered(monkeypatch):
    monkeypatch.setattr(past_module, "KNOWN", 3)
    model = Model()
    for _ in range(5):
        model.submit("interrupt")
    assert list(folded(model.events).known) == ["r2", "r3", "r4"]


def test_a_session_that_was_stopped_and_taken_up_again_is_not_stopped():
    model = Model()
    model.write("session_started")
    model.write("session_stopped")
    assert folded(model.events).stopped
    model.crash()
    assert not folded(model.events).stopped


@given(
    st.builds(
        Work,
        run_id=st.just("r"),
        prompt=st.text(),
        params=st.dictionaries(st.text(), st.integers()),
        timeout=st.one_of(st.none(), st.floats(1, 100)),
        on_crash=st.sampled_from(["interrupt", "retry"]),
        retries=st.one_of(st.none(), st.integers(0, 9)),
        metadata=st.dictionaries(st.text(), st.text()),
    )
)
def test_what_is_kept_of_a_run_gives_the_run_back(work):
    assert Work.of("r", work.as_data()) == work


@given(retries=st.integers(0, 5), crashes=st.lists(st.booleans(), max_size=12))
def test_a_run_survives_as_many_crashes_as_it_has_retries_and_any_injected_ones(retries, crashes):
    work = Work("r", "p", on_crash="retry", retries=retries)
    for injected in crashes:
        work = work.crashed(injected=injected)
    assert work.may_retry() == (crashes.count(False) <= retries)
    assert not Work("r", "p", on_crash="interrupt").may_retry()
    assert Work("r", "p", on_crash="retry", crashes=10**6).may_retry()
