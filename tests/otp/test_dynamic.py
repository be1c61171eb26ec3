"""`DynamicSupervisor`: children that come and go."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from beam.errors import InvalidInput, StartError, SupervisorRefused
from beam.otp import Crash, DynamicSupervisor, Ref, Server, Supervisor, child, ignore, whereis
from tests.names import shown
from tests.otp.kids import Deaf, Diary, Kid, kid, kill
from tests.volume import scaled

if TYPE_CHECKING:
    pass

# It holds threads up, or starts some.
on_threads = pytest.mark.schedulers("pool")


def refused(function: Any, *args: Any) -> Any:
    with pytest.raises(SupervisorRefused) as caught:
        function(*args)
    return caught.value.reason


def test_it_starts_without_children() -> None:
    with DynamicSupervisor.start(name="pool") as pool:
        assert whereis("pool") is pool
        assert pool.count_children() == (0, 0, 0, 0)


def test_children_need_not_differ_in_their_ids(diary: Diary) -> None:
    pool = DynamicSupervisor.start()
    refs = [pool.start_child(kid(diary, "a")) for _ in range(3)]
    assert [line.process for line in pool.which_children()] == refs
    assert [line.id for line in pool.which_children()] == ["a"] * 3


def test_a_child_is_restarted_alone(diary: Diary) -> None:
    pool = DynamicSupervisor.start()
    first = pool.start_child(kid(diary, "a"))
    second = pool.start_child(kid(diary, "b"))
    diary.take(2)
    kill(first)
    assert diary.next() == ("start", "a")
    assert {line.process for line in pool.which_children()} == {diary.refs["a"], second}


@pytest.mark.parametrize(
    ("restart", "reason", "left"),
    [
        ("permanent", "normal", 1),
        ("transient", "normal", 0),
        ("transient", "boom", 1),
        ("temporary", "boom", 0),
    ],
)
def test_a_child_that_ends_for_good_is_forgotten(
    diary: Diary, restart: Any, reason: Any, left: int
) -> None:
    pool = DynamicSupervisor.start()
    pool.start_child(kid(diary, "a", restart=restart)).proxy().leave(reason).get()
    assert diary.take(2)[1] == ("stop", "a", reason)
    assert pool.count_children().specs == left


def test_a_child_is_ended_by_its_ref_or_by_an_id_that_only_it_has(diary: Diary) -> None:
    pool = DynamicSupervisor.start()
    refs = [pool.start_child(kid(diary, name)) for name in "aab"]
    pool.terminate_child(refs[0])
    pool.terminate_child("b")
    assert [line.process for line in pool.which_children()] == [refs[1]]
    assert refused(pool.terminate_child, refs[0]) == "not_found"
    assert refused(pool.terminate_child, "b") == "not_found"


def test_an_id_that_several_have_names_nobody(diary: Diary) -> None:
    pool = DynamicSupervisor.start()
    for _ in range(2):
        pool.start_child(kid(diary, "a"))
    assert refused(pool.terminate_child, "a") == "ambiguous_id"
    assert pool.count_children().active == 2


def test_no_more_children_than_allowed(diary: Diary) -> None:
    pool = DynamicSupervisor.start(max_children=1)
    first = pool.start_child(kid(diary, "a"))
    assert refused(pool.start_child, kid(diary, "b")) == "max_children"
    pool.terminate_child(first)
    assert pool.start_child(kid(diary, "b")).is_alive()


def test_a_child_that_does_not_start_takes_no_place(diary: Diary) -> None:
    pool = DynamicSupervisor.start(max_children=1)
    assert refused(pool.start_child, kid(diary, "a", ["refuse"])) == "not_today"
    assert isinstance(refused(pool.start_child, kid(diary, "a", ["crash"])), Crash)
    assert pool.start_child(kid(diary, "a", ["ignore"])) is None
    assert pool.start_child(kid(diary, "a")).is_alive()


def test_extra_arguments_come_first() -> None:
    class Job(Server):
        def init(self, *args: Any) -> None:
            self.args = args

    with DynamicSupervisor.start(extra_arguments=("shared",)) as pool:
        assert pool.start_child(child(Job, 1)).proxy().args.get() == ("shared", 1)


def test_a_restart_that_fails_is_tried_again_and_counts(diary: Diary) -> None:
    pool = DynamicSupervisor.start(max_restarts=2)
    diary.watch("pool", pool)
    pool.start_child(kid(diary, "a", ["ok", "crash", "ok", "ok"]))
    diary.take(1)
    kill(diary.refs["a"])
    assert diary.take(2) == [("start", "a")] * 2
    kill(diary.refs["a"])
    assert diary.next() == ("end", "pool", "shutdown")


def test_a_child_that_ignores_its_restart_is_forgotten(diary: Diary) -> None:
    pool = DynamicSupervisor.start()
    pool.start_child(kid(diary, "a", ["ok", "ignore"]))
    diary.take(1)
    kill(diary.refs["a"])
    diary.next()
    assert pool.count_children().specs == 0


def test_too_many_restarts_of_all_together_end_it(diary: Diary) -> None:
    pool = DynamicSupervisor.start(max_restarts=1)
    diary.watch("pool", pool)
    for name in "abc":
        pool.start_child(kid(diary, name))
    diary.take(3)
    kill(diary.refs["a"])
    diary.next()
    kill(diary.refs["b"])
    assert sorted(diary.take(3)) == [
        ("end", "pool", "shutdown"),
        ("stop", "a", "shutdown"),
        ("stop", "c", "shutdown"),
    ]


@on_threads
def test_all_children_are_ended_at_once_each_in_its_own_time(diary: Diary) -> None:
    pool = DynamicSupervisor.start()
    specs = [kid(diary, n, kind=Deaf, shutdown=0.03) for n in range(20)]
    specs += [kid(diary, "b", shutdown="brutal"), kid(diary, "c", shutdown=None)]
    refs = [pool.start_child(spec) for spec in specs]
    pool.stop(reason="shutdown")
    assert [ref.exit_reason for ref in refs] == ["killed"] * 21 + ["shutdown"]


def test_a_start_function_will_do(diary: Diary) -> None:
    def start(called: str) -> tuple[Ref[Kid], int]:
        return Kid.start_link(diary.ref, called), 17

    pool = DynamicSupervisor.start()
    ref, info = pool.start_child(child(start, "a"))
    assert (info, pool.which_children()[0].process) == (17, ref)


def test_a_specification_can_be_read_back(diary: Diary) -> None:
    pool = DynamicSupervisor.start()
    spec = kid(diary, "a")
    ref = pool.start_child(spec)
    assert pool.get_childspec(ref) is spec
    assert pool.get_childspec("a") is spec


def test_children_are_counted_by_what_they_are(diary: Diary) -> None:
    pool = DynamicSupervisor.start()
    pool.start_child(kid(diary, "a"))
    pool.start_child(child(Supervisor, []))
    pool.start_child(child(DynamicSupervisor))
    assert pool.count_children() == (3, 3, 2, 1)


def test_a_class_of_ones_own_says_in_init_how_to_supervise() -> None:
    class Pool(DynamicSupervisor):
        def init(self, size: int) -> Any:
            return super().init(max_children=size) if size else ignore

    assert Pool.start(0) is None
    with Pool.start(1) as pool:
        pool.start_child(child(Server))
        assert refused(pool.start_child, child(Server)) == "max_children"


def test_an_init_that_returns_something_else_fails_the_start() -> None:
    class Pool(DynamicSupervisor):
        def init(self) -> Any:
            return 17

    with pytest.raises(StartError) as caught:
        Pool.start()
    assert caught.value.reason == ("bad_return", (Pool, "init", 17))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_children", -1),
        ("max_children", True),
        ("max_restarts", -1),
        ("max_seconds", 0),
        ("extra_arguments", "ab"),
        ("budget", 5),
        ("backoff", 0.5),
    ],
)
def test_a_wrong_option_is_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        DynamicSupervisor.start(**{option: value})
    assert (caught.value.field, caught.value.value) == (option, value)


@pytest.mark.parametrize("wrong", [17, {"id": "a"}], ids=shown)
def test_what_is_no_specification_is_refused(wrong: Any) -> None:
    with DynamicSupervisor.start() as pool:
        assert refused(pool.start_child, wrong)
        assert refused(pool.start_child, child(Server), 2)


def test_a_significant_child_is_refused() -> None:
    with DynamicSupervisor.start() as pool:
        spec = child(Server, restart="transient", significant=True)
        assert refused(pool.start_child, spec)[0] == "bad_combination"


def test_children_with_threads_of_their_own_start_elsewhere() -> None:
    class Where(Server):
        blocking = True

        def init(self) -> None:
            self.thread = threading.get_ident()

    with DynamicSupervisor.start() as pool:
        assert pool.start_child(child(Where)).proxy().thread.get() != threading.get_ident()


def test_many_start_children_at_once_and_none_is_lost() -> None:
    with DynamicSupervisor.start() as pool:
        each = scaled(10_000)

        def starter() -> None:
            for _ in range(each):
                pool.start_child(child(Server))

        threads = [threading.Thread(target=starter) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert pool.count_children().active == 4 * each


def test_its_functions_can_be_awaited() -> None:
    async def main() -> int:
        async with await DynamicSupervisor.aio.start() as pool:
            ref = await pool.aio.start_child(child(Server))
            await pool.aio.terminate_child(ref)
            return (await pool.aio.count_children()).specs

    assert asyncio.run(main()) == 0
