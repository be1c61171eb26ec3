"""Links to a process that a signal is about to end, as Erlang/OTP 25 was seen to do it.

In a simulation, as only there nothing comes between the signal and the link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from beam.otp import Node, current_process, exit, link, receive, spawn, spawn_link
from beam.testing import node_on, settle

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def simulation(unlogged: None) -> Iterator[Node]:
    with node_on("simulation") as node:
        yield node


def idle() -> None:
    receive()


def test_who_links_to_one_that_a_signal_is_about_to_end_hears_of_it_when_that_has_ended() -> None:
    def work() -> None:
        process = spawn(idle)
        receive()
        exit(process, "boom")
        link(process)
        current_process().trap_exit = True
        diary.append(receive())

    diary: list[Any] = []
    process = spawn(work)
    settle()
    process.tell("begin")
    settle()
    assert [told.reason for told in diary] == ["noproc"]


def test_the_first_signal_counts_and_not_that_of_a_later_link() -> None:
    def work() -> None:
        process = spawn_link(idle)
        receive()
        exit(process, "boom")
        link(process)
        receive()

    process = spawn(work)
    settle()
    process.tell("begin")
    settle()
    assert process.exit_reason == "boom"
