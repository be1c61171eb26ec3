"""`beam.sessions.workload`: the queue of a session's runs, against a plain list."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from beam.errors import QueryInProgress, QueueFull
from beam.sessions import workload as workload_module
from beam.sessions.past import Work
from beam.sessions.workload import Workload

LIMIT = 3


class Runs(RuleBasedStateMachine):
    """A workload does what a list and a variable would."""

    def __init__(self):
        super().__init__()
        self.load = Workload(LIMIT)
        self.waiting = []
        self.current = None
        self.taken = set()
        self.attempts = {}

    @rule(name=st.integers(0, 9), exclusive=st.booleans())
    def submit(self, name, exclusive):
        work = Work(f"r{name}", "p")
        if work.run_id in self.taken:
            assert not self.load.admit(work, exclusive)
        elif exclusive and (self.current or self.waiting):
            with pytest.raises(QueryInProgress) as refused:
                self.load.admit(work, exclusive)
            assert refused.value.run_id == (self.current or self.waiting[0])
        elif len(self.waiting) >= LIMIT:
            with pytest.raises(QueueFull) as refused:
                self.load.admit(work, exclusive)
            assert refused.value.limit == LIMIT
        else:
            assert self.load.admit(work, exclusive)
            self.waiting.append(work.run_id)
            self.taken.add(work.run_id)

    @precondition(lambda self: self.current is None)
    @rule()
    def begin(self):
        work = self.load.begin()
        if not self.waiting:
            assert work is None
            return
        self.current = self.waiting.pop(0)
        self.attempts[self.current] = self.attempts.get(self.current, 0) + 1
        assert (work.run_id, work.attempts) == (self.current, self.attempts[self.current])

    @precondition(lambda self: self.current is not None)
    @rule(again=st.booleans())
    def end(self, again):
        work = self.load.end()
        assert work.run_id == self.current
        if again:
            self.load.put_back(work)
            self.waiting.insert(0, self.current)
        self.current = None

    @rule(name=st.one_of(st.none(), st.integers(0, 9)))
    def withdraw(self, name):
        run_id = None if name is None else f"r{name}"
        work = self.load.withdraw(run_id)
        assert (work.run_id if work else None) == (run_id if run_id in self.waiting else None)
        if work is not None:
            self.waiting.remove(run_id)

    @rule()
    def clear(self):
        assert [work.run_id for work in self.load.clear()] == self.waiting
        self.waiting = []

    @invariant()
    def agree(self):
        assert len(self.load) == len(self.waiting)
        assert self.load.run_id == self.current
        name = f"{self.current}.{self.attempts[self.current]}" if self.current else ""
        assert self.load.query_id == name


TestRuns = Runs.TestCase


def test_ending_when_nothing_is_at_work_is_a_mistake():
    with pytest.raises(LookupError):
        Workload(1).end()


def test_a_workload_goes_on_with_what_a_crash_has_left():
    load = Workload(5, [Work("r1", "p", attempts=1), Work("r2", "p")], ["r0", "r1", "r2"])
    assert not load.admit(Work("r0", "p"), exclusive=False)
    assert load.begin().attempts == 2
    assert len(load) == 1


def test_what_was_taken_long_ago_is_forgotten(monkeypatch):
    monkeypatch.setattr(workload_module, "REMEMBERED", 2)
    load = Workload(1)
    for number in range(10):
        load.admit(Work(f"r{number}", "p"), exclusive=True)
        load.begin()
        load.end()
    assert not load.admit(Work("r9", "p"), exclusive=True)
    assert load.admit(Work("r0", "p"), exclusive=True)
