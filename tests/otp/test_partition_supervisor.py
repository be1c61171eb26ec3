"""`PartitionSupervisor`: Elixir's own cases first, then what it says of itself."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import CallExit, InvalidInput, InvalidSpec, StartError, SupervisorRefused
from beam.otp import (
    Atom,
    DynamicSupervisor,
    Node,
    PartitionSupervisor,
    Server,
    Supervisor,
    Tasks,
    child,
    exit,
    ignore,
    whereis,
)
from beam.otp.partition import partition_of
from beam.otp.supervision import ChildInfo, Counts
from tests.otp.actors import SOON, death_of, eventually, hold_up

pytestmark = pytest.mark.usefixtures("node")


class Agent(Server):
    """Keeps a value, as Elixir's `Agent`."""

    def init(self, value: Any = "hello") -> None:
        if isinstance(value, Exception):
            raise value
        self.value = value


def value_of(process: Any) -> Any:
    return process.proxy().value.get()


# Elixir's cases (test/elixir/partition_supervisor_test.exs), in its order


def test_the_id_of_a_partition_supervisor_may_be_its_name() -> None:
    spec = child(PartitionSupervisor, child(Agent), name="agents", id="agents")
    assert (spec.id, spec.type, spec.shutdown) == ("agents", "supervisor", None)


def test_children_are_spread_over_as_many_partitions_as_the_node_has_cores(node: Node) -> None:
    pool = PartitionSupervisor.start(child(DynamicSupervisor), name="pool")
    assert pool.partitions() == node.cores
    names = [Atom(f"agent {number}") for number in range(100)]
    for name in names:
        PartitionSupervisor.partition("pool", name).start_child(child(Agent, name))  # type: ignore[attr-defined]
    agents = [
        value_of(line.process)
        for partition in pool.which_children()
        for line in partition.process.which_children()
    ]
    assert sorted(agents) == sorted(names)


def test_with_arguments_gives_each_partition_its_own() -> None:
    pool = PartitionSupervisor.start(
        child(Agent, "unused"), with_arguments=lambda args, number: [number], partitions=3
    )
    assert pool.partitions() == 3
    assert [value_of(pool.whereis(key)) for key in (0, 1, 2, 3, -1)] == [0, 1, 2, 0, 1]


def test_g20_a_start_without_a_specification_is_refused() -> None:
    with pytest.raises(TypeError, match="spec"):
        PartitionSupervisor.start(name="pool")
    with pytest.raises(InvalidSpec):
        PartitionSupervisor.start(Agent)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("partitions", 0),
        ("partitions", -1),
        ("partitions", True),
        ("partitions", 2.0),
        ("with_arguments", 123),
        ("strategy", "simple_one_for_one"),
        ("strategy", "one_for_two"),
        ("max_restarts", -1),
        ("max_seconds", 0),
    ],
)
def test_g20_bad_options_are_refused_by_name_and_nothing_starts(
    option: str, value: Any, node: Node
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        PartitionSupervisor.start(child(Agent), **{option: value})
    assert (refused.value.field, refused.value.value) == (option, value)
    assert node.processes() == []


def test_g20_auto_shutdown_is_no_option_and_no_partition_is_significant() -> None:
    with pytest.raises(TypeError, match="auto_shutdown"):
        PartitionSupervisor.start(child(Agent), auto_shutdown="any_significant")
    with pytest.raises(InvalidSpec) as refused:
        PartitionSupervisor.start(child(Agent, restart="transient", significant=True))
    assert refused.value.field == "significant"


def test_stop_returns_when_it_has_ended() -> None:
    pool = PartitionSupervisor.start(child(Agent), name="pool")
    agents = [line.process for line in pool.which_children()]
    assert pool.stop()
    assert whereis("pool") is None
    assert not any(agent.is_alive() for agent in agents)


def test_asking_one_that_is_not_there_fails_with_noproc() -> None:
    pool = PartitionSupervisor.start(child(Agent))
    pool.stop()
    for ask in (pool.partitions, lambda: pool.whereis(1), lambda: pool.resize(0)):
        with pytest.raises(CallExit) as failed:
            ask()
        assert failed.value.reason == "noproc"
    with pytest.raises(CallExit) as unknown:
        PartitionSupervisor.partition("unknown", 1)
    assert (unknown.value.reason, unknown.value.process) == ("noproc", "unknown")


def test_partitions_can_be_ended_and_started_again_in_any_steps() -> None:
    pool = PartitionSupervisor.start(child(Agent), partitions=8)
    mixed = list(range(9))
    random.Random(3).shuffle(mixed)
    before = 8
    for steps in (range(8, -1, -1), range(9), mixed):
        for count in steps:
            assert pool.resize(count) == before
            before = count
            assert pool.partitions() == count
            assert pool.count_children() == Counts(specs=8, active=count, supervisors=0, workers=8)
            found = {pool.whereis(key) for key in range(8)} if count else set()
            assert len(found) == count
            assert all(process.is_alive() for process in found)


def test_a_lookup_among_no_partitions_is_refused() -> None:
    pool = PartitionSupervisor.start(child(Agent), partitions=8)
    assert pool.resize(0) == 8
    with pytest.raises(SupervisorRefused) as refused:
        pool.whereis(0)
    assert (refused.value.reason, refused.value.process) == ("no_partitions", pool)
    assert pool.resize(8) == 0
    assert value_of(pool.whereis(0)) == "hello"


@pytest.mark.parametrize("count", [9, -1, True, 2.0, "2", None])
def test_g20_there_are_never_more_partitions_than_at_the_start(count: Any) -> None:
    pool = PartitionSupervisor.start(child(Agent), partitions=8)
    with pytest.raises(SupervisorRefused) as refused:
        pool.resize(count)
    assert (refused.value.reason, refused.value.most) == ("bad_partitions", 8)
    assert pool.count_children().active == 8


def test_which_children_has_a_line_for_each_partition() -> None:
    pool = PartitionSupervisor.start(child(Agent), partitions=3)
    assert sorted(pool.which_children()) == [
        ChildInfo(number, pool.whereis(number), "worker", (Agent,)) for number in range(3)
    ]


def test_count_children_counts_workers_or_supervisors() -> None:
    workers = PartitionSupervisor.start(child(Agent), partitions=3)
    supervisors = PartitionSupervisor.start(child(DynamicSupervisor), partitions=3)
    assert workers.count_children() == Counts(specs=3, active=3, supervisors=0, workers=3)
    assert supervisors.count_children() == Counts(specs=3, active=3, supervisors=3, workers=0)


# Routing


@given(
    st.lists(st.one_of(st.integers(), st.text(), st.tuples(st.text(), st.integers()))),
    st.integers(1, 6),
)
def test_a_key_is_routed_where_the_rule_says(keys: list[Any], partitions: int) -> None:
    with (
        Node(),
        PartitionSupervisor.start(
            child(Agent), partitions=partitions, with_arguments=lambda args, number: (number,)
        ) as pool,
    ):
        for key in keys:
            assert value_of(pool.whereis(key)) == partition_of(key, partitions)


def test_g20_a_key_that_is_no_term_is_refused() -> None:
    pool = PartitionSupervisor.start(child(Agent))
    with pytest.raises(InvalidInput) as refused:
        pool.whereis(object())
    assert refused.value.field == "key"


def test_a_partition_is_found_by_the_name_or_the_ref_of_its_supervisor() -> None:
    pool = PartitionSupervisor.start(child(Agent), name="pool")
    assert PartitionSupervisor.partition("pool", 1) is PartitionSupervisor.partition(pool, 1)
    Agent.start(name="agent")
    with pytest.raises(InvalidInput) as refused:
        PartitionSupervisor.partition("agent", 1)
    assert refused.value.field == "supervisor"


def test_a_lookup_does_not_wait_for_a_supervisor_that_is_busy() -> None:
    pool = PartitionSupervisor.start(child(Slow, shutdown=SOON), partitions=2)
    gate = hold_up(pool.whereis(1))
    resizing = Tasks.start().run(pool.resize, 1)
    eventually(lambda: pool.partitions() == 1)  # Routed away before the partition has ended.
    assert pool.whereis(1) is pool.whereis(0)
    gate.open()
    assert resizing.get(timeout=SOON) == 2


class Slow(Server):
    def handle_cast(self, message: Any) -> None:
        message[1]()


# Restarts


def test_a_partition_that_crashes_is_started_again_and_found() -> None:
    pool = PartitionSupervisor.start(child(Agent), partitions=2)
    first, other = pool.whereis(0), pool.whereis(1)
    exit(first, "gone")
    assert death_of(first) == "gone"
    assert pool.count_children().active == 2
    assert pool.whereis(0).is_alive()
    assert pool.whereis(0) is not first
    assert pool.whereis(1) is other


def test_too_many_restarts_end_all_partitions_together() -> None:
    pool = PartitionSupervisor.start(child(Agent), partitions=3, max_restarts=2)
    for number in range(3):
        exit(pool.whereis(number), "gone")
    assert death_of(pool) == "shutdown"


def test_one_for_all_does_not_start_a_partition_that_is_resized_away() -> None:
    pool = PartitionSupervisor.start(child(Agent), partitions=4, strategy="one_for_all")
    pool.resize(2)
    first = pool.whereis(0)
    exit(first, "gone")
    assert death_of(first) == "gone"
    assert pool.count_children() == Counts(specs=4, active=2, supervisors=0, workers=4)
    assert pool.resize(4) == 2
    assert pool.count_children().active == 4


def test_a_partition_that_is_resized_away_is_not_started_by_hand() -> None:
    pool = PartitionSupervisor.start(child(Agent), partitions=4)
    pool.resize(2)
    with pytest.raises(SupervisorRefused) as refused:
        pool.restart_child(3)
    assert refused.value.reason == "resized"
    pool.terminate_child(1)
    assert pool.restart_child(1) is pool.whereis(1)


def test_partitions_come_neither_by_hand_nor_go() -> None:
    pool = PartitionSupervisor.start(child(Agent), partitions=2)
    for change in (lambda: pool.start_child(child(Agent)), lambda: pool.delete_child(1)):
        with pytest.raises(SupervisorRefused) as refused:
            change()
        assert refused.value.reason == "partition_supervisor"
    assert pool.count_children().specs == 2


def test_a_resize_of_which_a_part_fails_changes_nothing() -> None:
    shelf = {"fails": False}

    class Moody(Server):
        def init(self, number: int) -> None:
            if shelf["fails"] and number == 2:
                raise StartError("not today", "moody")

    pool = PartitionSupervisor.start(
        child(Moody), partitions=4, with_arguments=lambda args, number: (number,)
    )
    pool.resize(1)
    shelf["fails"] = True
    with pytest.raises(SupervisorRefused) as refused:
        pool.resize(4)
    assert refused.value.partition == 2
    assert (pool.partitions(), pool.count_children().active) == (1, 1)
    shelf["fails"] = False
    assert pool.resize(4) == 1
    assert pool.count_children().active == 4


def test_a_temporary_partition_that_has_ended_is_not_there_to_start_again() -> None:
    pool = PartitionSupervisor.start(child(Agent, restart="temporary"), partitions=2)
    last = pool.whereis(1)
    pool.resize(1)
    assert not last.is_alive()
    with pytest.raises(SupervisorRefused) as refused:
        pool.resize(2)
    assert refused.value.reason == "not_found"
    assert pool.partitions() == 1


# What is refused


def test_g20_a_specification_with_a_name_is_refused() -> None:
    with pytest.raises(InvalidSpec) as refused:
        PartitionSupervisor.start(child(Agent, name="agent"))
    assert refused.value.field == "name"


def test_with_arguments_must_return_arguments() -> None:
    wrong: Any = lambda args, number: number  # noqa: E731 - one line says it
    with pytest.raises(StartError) as failed:
        PartitionSupervisor.start(child(Agent), partitions=2, with_arguments=wrong)
    assert failed.value.reason == ("bad_return", ("with_arguments", 0))


def test_a_partition_that_does_not_start_ends_the_start() -> None:
    with pytest.raises(StartError) as failed:
        PartitionSupervisor.start(child(Agent, ValueError("no")), partitions=2)
    assert failed.value.reason[1][:2] == ("failed_to_start_child", 0)


def test_a_partition_that_ignores_its_start_is_not_found() -> None:
    class Absent(Server):
        def init(self) -> Any:
            return ignore

    pool = PartitionSupervisor.start(child(Absent), partitions=1)
    with pytest.raises(SupervisorRefused) as refused:
        pool.whereis(0)
    assert refused.value.reason == "not_started"


# In a tree, in a class, in an event loop


def test_it_has_its_place_in_a_tree_and_is_found_again_after_its_restart() -> None:
    spec = child(PartitionSupervisor, child(Agent), partitions=2, name="agents")
    with Supervisor.start([spec]) as tree:
        before: Any = whereis("agents")
        exit(before, "kill")
        assert death_of(before) == "killed"
        assert tree.count_children().active == 1
        assert value_of(PartitionSupervisor.partition("agents", "ada")) == "hello"


def test_a_class_of_ones_own_may_choose() -> None:
    class Agents(PartitionSupervisor):
        def init(self, size: int) -> Any:  # type: ignore[override]
            return super().init(child(Agent, "mine"), partitions=size) if size else ignore

    assert value_of(Agents.start(3).whereis("x")) == "mine"
    assert Agents.start(0) is None

    class Wrong(PartitionSupervisor):
        def init(self) -> Any:  # type: ignore[override]
            return 3

    with pytest.raises(StartError):
        Wrong.start()


@pytest.mark.schedulers("pool")  # An event loop waits for what is real.
def test_it_can_be_resized_in_an_event_loop() -> None:
    async def use() -> Any:
        pool = await PartitionSupervisor.aio.start(child(Agent), partitions=4)
        before = await pool.aio.resize(2)
        return before, pool.partitions(), pool.whereis("ada").is_alive()

    assert asyncio.run(use()) == (4, 2, True)


# The node's cores


def test_g18_a_node_may_be_told_its_cores_and_they_do_not_come_from_the_machine_elsewhere() -> None:
    class Standing:
        """A clock that is not the machine's."""

        random = random.Random(0)

        def now(self) -> float:
            return 0.0

        time = now

    with Node(cores=3) as node:
        assert PartitionSupervisor.start(child(Agent)).partitions() == node.cores == 3
    assert Node(clock=Standing()).cores == 4
    with pytest.raises(InvalidInput) as refused:
        Node(cores=0)
    assert refused.value.field == "cores"
