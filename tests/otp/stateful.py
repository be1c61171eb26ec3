"""Hypothesis state machines whose processes live in a node of their own.

In a simulation hypothesis chooses, by the seed, who is next as well; after each step everything
has run its course, so that a plain model knows what must be seen.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from beam.otp import Node
from beam.testing import node_on
from tests.otp.actors import StandingClock

if TYPE_CHECKING:
    from beam.testing.schedulers import SchedulerName

__all__ = ["Inhabited", "check", "seeds"]

seeds = st.integers(0, 2**16)


class Inhabited(RuleBasedStateMachine):
    """Has a node; its `initialize` rule enters it."""

    scheduler: SchedulerName = "simulation"
    node: Node

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()

    def enter(self, seed: int) -> None:
        """Make the node, the current one from here on."""
        self.node = self._stack.enter_context(node_on(self.scheduler, seed))

    def enter_standing(self, seed: int) -> None:
        """Make a node whose time stands, but for what `let_pass` lets pass."""
        if self.scheduler == "simulation":
            self.enter(seed)
        else:
            self._standing = StandingClock()
            self.node = self._stack.enter_context(Node(clock=self._standing))

    def let_pass(self, seconds: float) -> None:
        """Let so much time pass in a node whose time stands."""
        if self.scheduler == "simulation":
            self.node.sleep(seconds)
        else:
            self._standing.seconds += seconds

    def teardown(self) -> None:
        self._stack.close()


def check(
    machine: type[Inhabited], scheduler: SchedulerName, *, examples: int | None = None
) -> None:
    """Run a state machine on a scheduler; the test fails by the smallest example that does.

    Args:
        machine: the machine.
        scheduler: the name of the scheduler.
        examples: how many; as many as the profile says unless given.
    """
    run_state_machine_as_test(
        type(machine.__name__, (machine,), {"scheduler": scheduler}),
        settings=None if examples is None else settings(max_examples=examples),
    )
