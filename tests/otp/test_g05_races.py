"""G5: one DOWN for each monitor, one exit signal for each link, whatever races."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from beam.errors import NotFound
from beam.otp import (
    Down,
    Exit,
    Node,
    exit,
    link,
    monitor,
    register,
    unlink,
    whereis,
)
from tests.otp.actors import KINDS, SOON, Echo, at_once, death_of, eventually
from tests.volume import scaled

pytestmark = [
    pytest.mark.usefixtures("node"),
    pytest.mark.schedulers("pool", "thread"),  # Threads race here.
]

kinds = pytest.mark.parametrize("kind", KINDS)


class Watcher(Echo):
    """Links to and monitors processes, and counts what it hears."""

    def init(self) -> None:  # type: ignore[override]
        super().init(trap_exit=True)
        self.watched: dict[Any, Any] = {}
        self.downs: Counter[Any] = Counter()
        self.exits: Counter[Any] = Counter()
        self.reasons: set[Any] = set()

    def watch(self, processes: list[Any]) -> None:
        for process in processes:
            self.watched[monitor(process)] = process
            link(process)

    def heard(self) -> tuple[bool, bool, set[Any]]:
        one_each = set(self.downs.values()) | set(self.exits.values()) <= {1}
        all_of_them = self.downs.keys() == self.watched.keys() and self.exits.keys() == set(
            self.watched.values()
        )
        return one_each, all_of_them, self.reasons

    def handle_info(self, message: Any) -> None:
        self.reasons.add(message.reason)
        match message:
            case Down(monitor=watching):
                self.downs[watching] += 1
            case Exit(process=process):
                self.exits[process] += 1


def end_each(processes: list[Any]) -> None:
    """End processes in the various ways."""
    for at, process in enumerate(processes):
        match at % 4:
            case 0:
                exit(process, "ended")
            case 1:
                process.stop(block=False, reason="ended")
            case 2:
                process.cast(("do", lambda: exit("ended")))
            case 3:
                process.ask(("stop", "ended"), block=False)


@pytest.mark.usefixtures("fine_switching")
def test_g5_a_million_deaths_one_down_for_each_monitor_one_exit_for_each_link(
    node: Node,
) -> None:
    # Threads are dear to start: fewer where each process has one.
    batch = 500
    deaths = scaled(100_000, 100) if node.scheduler.own_threads else scaled(1_000_000, 200)
    for _ in range(deaths // batch):
        watchers = [
            type("Watcher", (Watcher,), {"blocking": blocking}).start()
            for blocking in (None, False, True)
        ]
        victims = [KINDS[at % 20 if at % 20 < 3 else 0].start() for at in range(batch)]
        for watcher in watchers:
            watcher.proxy().watch(victims).get(timeout=SOON)
        # Two end each of them, so that many are ended twice at once.
        at_once(
            lambda victims=victims: end_each(victims),
            lambda victims=victims: end_each(victims[batch // 2 :] + victims[: batch // 2]),
        )
        for victim in victims:
            assert death_of(victim) in {"ended", "noproc"}
        for watcher in watchers:
            one_each, all_of_them, reasons = watcher.proxy().heard().get(timeout=SOON)
            assert one_each
            assert all_of_them
            assert reasons == {"ended"}
            watcher.stop()


@pytest.mark.usefixtures("fine_switching")
def test_g5_monitors_and_links_that_race_with_the_death_hear_of_it_once() -> None:
    watcher, dead = Watcher.start(), list[Any]()
    for _ in range(scaled(4_000)):
        victims = [Echo.start() for _ in range(4)]
        watched = watcher.proxy().watch(victims)
        end_each(victims)
        watched.get(timeout=SOON)
        dead += victims
    for victim in dead:
        death_of(victim)
    one_each, all_of_them, reasons = watcher.proxy().heard().get(timeout=SOON)
    assert one_each
    assert all_of_them
    assert reasons <= {"ended", "noproc"}


@pytest.mark.usefixtures("fine_switching")
def test_g5_after_unlink_no_signal_comes_whenever_the_other_dies() -> None:
    process = Echo.start(trap_exit=True)
    for _ in range(scaled(4_000)):
        victim = Echo.start()
        counts: list[int] = []

        def signals(victim: Any = victim) -> int:
            waiting = process.control.messages()
            return sum(type(each) is Exit and each.process is victim for each in waiting)

        def relink(victim: Any = victim, counts: list[int] = counts, count: Any = signals) -> None:
            for _ in range(3):
                link(victim)
                unlink(victim)
            counts.append(count())

        at_once(
            lambda relink=relink: process.ask(("do", relink)),
            lambda victim=victim: exit(victim, "gone"),
        )
        told = process.ask("told")
        assert len(told) == counts[0]
        # Of the link that it died in, and of each one after that.
        assert [each.reason for each in told[1:]] == ["noproc"] * (len(told) - 1)
        process.ask(("do", process.control.actor.told.clear))


@pytest.mark.usefixtures("fine_switching")
def test_g5_a_name_given_as_its_process_dies_does_not_stay(node: Node) -> None:
    for _ in range(scaled(4_000)):
        process = Echo.start()

        def name(process: Any = process) -> None:
            try:
                register("brief", process)
            except NotFound:
                return

        at_once(name, lambda process=process: exit(process, "gone"))
        # Where it has a thread of its own, that may be on its way to its first wait still.
        assert death_of(process) in {"gone", "noproc"}
        assert whereis("brief") is None
        assert node.names == {}


@pytest.mark.usefixtures("fine_switching")
def test_g5_processes_that_kill_each_other_at_once_all_die(node: Node) -> None:
    for _ in range(scaled(2_000)):
        one, other = Echo.start(), Echo.start()
        one.ask(("do", lambda other=other: link(other)))
        at_once(lambda one=one: exit(one, "a"), lambda other=other: exit(other, "b"))
        eventually(lambda: node.processes() == [])
        assert {one.exit_reason, other.exit_reason} <= {"a", "b"}
