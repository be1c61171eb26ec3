"""`Plan`: one run of a simulation, as a line."""

from __future__ import annotations

import pytest

from beam.errors import InvalidInput
from beam.testing import Plan

PLANS = (
    Plan(17),
    Plan(-3).in_order_from(0),
    Plan(5).with_faults([]),
    Plan(5).with_steps([]),
    Plan(5).with_faults(["crash:a:1", "kill:b:2"]).with_steps([1, 2, 3, 7]).in_order_from(9),
)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_what_is_printed_is_read_as_the_same(plan: Plan) -> None:
    assert Plan.parse(str(plan)) == plan


@pytest.mark.parametrize("line", ["", "one", "1 fifo=x", "1 steps=a-b", "1 more=b"])
def test_a_line_that_is_no_plan_is_refused_by_name(line: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Plan.parse(line)
    assert caught.value.field == "plan"
    assert caught.value.value == line


def test_a_seed_alone_is_not_smaller() -> None:
    assert not Plan(5).is_smaller


@pytest.mark.parametrize("plan", PLANS[1:], ids=str)
def test_a_plan_that_leaves_something_out_is_smaller(plan: Plan) -> None:
    assert plan.is_smaller
