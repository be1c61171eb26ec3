"""The rules of supervision, as plain values and functions."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from beam.otp import Crash, Ref, Server, child
from beam.otp.supervision import (
    Child,
    Children,
    ended_well,
    is_over,
    wants_restart,
    was_told_to_end,
)
from tests.names import shown

CRASH = Crash(LookupError())
SHUTDOWN = ("shutdown", "tired")


@pytest.mark.parametrize("reason", ["normal", "shutdown", SHUTDOWN, "killed", CRASH], ids=shown)
def test_who_is_restarted_and_what_is_worth_a_report(reason: Any) -> None:
    well = reason not in ("killed", CRASH)
    assert wants_restart("permanent", reason)
    assert wants_restart("transient", reason) is not well
    assert not wants_restart("temporary", reason)
    assert not ended_well("permanent", reason)
    assert ended_well("transient", reason) is ended_well("temporary", reason) is well


@pytest.mark.parametrize(
    ("shutdown", "restart", "well"),
    [
        (5.0, "permanent", ["shutdown"]),
        (5.0, "transient", ["shutdown", SHUTDOWN, "normal"]),
        (None, "temporary", ["shutdown", SHUTDOWN, "normal"]),
        ("brutal", "permanent", ["killed"]),
        ("brutal", "transient", ["killed", "shutdown", SHUTDOWN, "normal"]),
    ],
    ids=shown,
)
def test_how_a_child_is_meant_to_end(shutdown: Any, restart: Any, well: list[Any]) -> None:
    spec = child(Server, shutdown=shutdown, restart=restart)
    reasons = ["shutdown", SHUTDOWN, "normal", "killed", CRASH]
    assert [reason for reason in reasons if was_told_to_end(spec, reason)] == [
        reason for reason in reasons if reason in well
    ]


@pytest.mark.parametrize(
    ("flag", "significant", "left", "over"),
    [
        ("never", True, False, False),
        ("any_significant", False, False, False),
        ("any_significant", True, True, True),
        ("all_significant", True, True, False),
        ("all_significant", True, False, True),
        ("all_significant", False, False, False),
    ],
)
def test_when_a_child_takes_its_supervisor_along(
    flag: str, significant: bool, left: bool, over: bool
) -> None:
    assert is_over(flag, significant=significant, significant_left=left) is over


class FakeRef:
    """As good as a ref here: found by identity."""

    def is_alive(self) -> bool:
        return True


IDS = st.integers(0, 5)


class ChildrenBehaveAsAList(RuleBasedStateMachine):
    """Whatever is done to them, the children are a list in the order of their start."""

    def __init__(self) -> None:
        super().__init__()
        self.children = Children()
        self.model: list[tuple[int, Child]] = []

    def known(self, child_id: int) -> Child | None:
        return dict(self.model).get(child_id)

    @rule(child_id=IDS, restart=st.sampled_from(["permanent", "temporary"]))
    def add(self, child_id: int, restart: Any) -> None:
        if self.known(child_id) is None:
            one = Child(child(Server, id=child_id, restart=restart), a_ref())
            self.children.add(one)
            self.model.append((child_id, one))

    @rule(child_id=IDS)
    def process_changes(self, child_id: int) -> None:
        if one := self.known(child_id):
            self.children.note_process(one, a_ref())

    @rule(child_id=IDS)
    def restart_fails(self, child_id: int) -> None:
        if one := self.known(child_id):
            self.children.note_restarting(one)

    @rule(child_id=IDS)
    def ends(self, child_id: int) -> None:
        if one := self.known(child_id):
            self.children.forget(one)
            if one.spec.restart == "temporary":
                self.model.remove((child_id, one))

    @rule(child_id=IDS)
    def is_removed(self, child_id: int) -> None:
        if one := self.known(child_id):
            self.children.remove(one)
            self.model.remove((child_id, one))

    @rule(child_id=IDS)
    def those_after_it_are_found(self, child_id: int) -> None:
        if one := self.known(child_id):
            at = self.model.index((child_id, one))
            after = [each for _, each in self.model[at:]]
            assert self.children.newest_down_to(one) == after[::-1]

    @invariant()
    def the_order_is_that_of_the_starts(self) -> None:
        assert list(self.children) == [one for _, one in self.model]
        assert self.children.newest_first() == [one for _, one in reversed(self.model)]
        assert len(self.children) == len(self.model)

    @invariant()
    def each_is_found_by_id_and_by_process(self) -> None:
        for child_id in range(6):
            assert self.children.find(child_id) is self.known(child_id)
        for _, one in self.model:
            assert not (one.restarting and one.process)
            if one.process is not None:
                assert self.children.of_process(one.process) is one

    @invariant()
    def they_are_counted(self) -> None:
        active = sum(one.process is not None for _, one in self.model)
        assert self.children.counts() == (len(self.model), active, 0, len(self.model))


def a_ref() -> Ref[Any]:
    return cast("Ref[Any]", FakeRef())


TestChildren = ChildrenBehaveAsAList.TestCase
