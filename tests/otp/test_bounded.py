"""G19: mailboxes with a bound: what is lost by which policy, and what never is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from beam.errors import CallExit, CallFailed, InvalidInput, MailboxFull
from beam.otp import (
    Call,
    Cast,
    Down,
    Exit,
    Info,
    Mailbox,
    Ref,
    Registry,
    Server,
    StateMachine,
    StateTimeout,
    Supervisor,
    Table,
    TableTransfer,
    exit,
    goto,
    monitor,
    postpone,
    reply,
    send_after,
    state,
    state_timeout,
    stay,
    sys,
)
from beam.testing import settle
from tests.otp.actors import SOON, death_of

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.usefixtures("node")

POLICIES = ("refuse", "drop_oldest", "drop_newest")
LIMIT = 3


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


@pytest.fixture
def unlogged(logs: list[Any]) -> None:
    """Reports are kept."""


class Keeper(Server):
    """Keeps what it is sent."""

    def init(self, *watched: Ref[Any]) -> None:
        self.trap_exit = True
        self.kept: list[Any] = []
        for each in watched:
            monitor(each)

    def handle_call(self, message: Any, caller: Call) -> Any:
        if message == "kept":
            return list(self.kept)
        self.kept.append(message)
        return ("answer", message)

    def handle_cast(self, message: Any) -> None:
        self.kept.append(message)

    def handle_info(self, message: Any) -> None:
        self.kept.append(message)

    def handle_continue(self, message: Any) -> None:
        self.kept.append(("continued", message))


class Refusing(Keeper):
    mailbox_limit = LIMIT


class DroppingOldest(Keeper):
    mailbox_limit = LIMIT
    mailbox_overflow = "drop_oldest"


class DroppingNewest(Keeper):
    mailbox_limit = LIMIT
    mailbox_overflow = "drop_newest"


BOUNDED: list[type[Keeper]] = [Refusing, DroppingOldest, DroppingNewest]

bounded = pytest.mark.parametrize("kind", BOUNDED)


def kept(keeper: Ref[Any]) -> list[Any]:
    """Return what it has kept, after all that was sent."""
    result: list[Any] = sys.get_state(keeper)["kept"]
    return result


def full(kind: type[Keeper], *args: Any) -> Ref[Any]:
    """Start a process, hold it up, and fill its mailbox."""
    keeper = kind.start(*args)
    sys.suspend(keeper)
    for at in range(LIMIT):
        keeper.cast(at)
    return keeper


def losses(process: Ref[Any]) -> tuple[int, int, int]:
    """Return how many messages it has refused, dropped, and waiting."""
    status = sys.get_status(process)
    return status.refused, status.dropped, status.mailbox


# What is lost


def test_one_that_refuses_says_so_to_whoever_sends() -> None:
    keeper = full(Refusing)
    for send in (keeper.cast, keeper.tell):
        with pytest.raises(MailboxFull) as refused:
            send("more")
        assert refused.value.process is keeper
        assert (refused.value.limit, refused.value.overflow) == (LIMIT, "refuse")
        assert isinstance(refused.value, CallFailed)
    with pytest.raises(MailboxFull):
        keeper.ask("more", timeout=None)
    assert losses(keeper) == (3, 0, LIMIT)
    sys.resume(keeper)
    assert kept(keeper) == [0, 1, 2]


def test_a_deferred_method_is_refused_as_a_cast() -> None:
    class Counter(Server):
        mailbox_limit = 1

        def init(self) -> None:
            self.count = 0

        def add(self) -> None:
            self.count += 1

    counter = Counter.start()
    sys.suspend(counter)
    proxy = counter.proxy()
    proxy.add.defer()
    with pytest.raises(MailboxFull):
        proxy.add.defer()
    with pytest.raises(MailboxFull):
        proxy.add().get()
    sys.resume(counter)
    assert sys.get_state(counter) == {"count": 1}


def test_one_that_drops_the_oldest_keeps_the_newest() -> None:
    keeper = full(DroppingOldest)
    keeper.tell(3)
    keeper.cast(4)
    assert losses(keeper) == (0, 2, LIMIT)
    sys.resume(keeper)
    assert kept(keeper) == [2, 3, 4]


def test_one_that_drops_the_newest_keeps_the_oldest() -> None:
    keeper = full(DroppingNewest)
    keeper.tell(3)
    keeper.cast(4)
    assert losses(keeper) == (0, 2, LIMIT)
    sys.resume(keeper)
    assert kept(keeper) == [0, 1, 2]


def test_g6_a_call_that_is_dropped_fails_at_once() -> None:
    newest, oldest = full(DroppingNewest), DroppingOldest.start()
    with pytest.raises(MailboxFull):
        newest.ask("more", timeout=None)
    sys.suspend(oldest)
    asked = oldest.ask("asked", block=False, timeout=None)
    for at in range(LIMIT):
        assert not asked.done
        oldest.cast(at)
    with pytest.raises(MailboxFull) as dropped:
        asked.get()
    assert dropped.value.process is oldest
    sys.resume(oldest)
    assert kept(oldest) == [0, 1, 2]


@bounded
def test_there_is_room_again_when_something_has_been_handled(kind: type[Keeper]) -> None:
    keeper = full(kind)
    sys.resume(keeper)
    assert keeper.ask("kept") == [0, 1, 2]
    for at in range(20):
        assert keeper.ask(at) == ("answer", at)
    assert losses(keeper) == (0, 0, 0)


@bounded
def test_a_bound_is_for_what_waits_at_one_time(kind: type[Keeper]) -> None:
    keeper = kind.start()
    for at in range(1000):
        keeper.cast(at)
        sys.get_state(keeper)
    assert kept(keeper) == list(range(1000))


def test_one_that_never_blocks_answers_its_caller_though_it_has_a_bound() -> None:
    class Inline(Refusing):
        blocking = False

    inline = Inline.start()
    for at in range(20):
        assert inline.ask(at) == ("answer", at)
    sys.suspend(inline)
    asked = [inline.ask(at, block=False) for at in range(5)]
    assert [future.done for future in asked] == [False, False, False, True, True]
    sys.resume(inline)
    assert [future.get(timeout=SOON) for future in asked[:3]] == [("answer", at) for at in range(3)]


# What never is


@bounded
def test_signals_and_requests_come_through_a_full_mailbox_in_their_order(
    kind: type[Keeper],
) -> None:
    with Mailbox() as me:
        watched = Keeper.start()
        keeper = full(kind, watched)
        watched.stop()
        exit(keeper, "wake up")
        Table.new("given").give_away(keeper, "with love")
        sys.get_state(keeper)
        assert losses(keeper)[2] == LIMIT + 3
        sys.resume(keeper)
        seen = kept(keeper)
    assert seen[:LIMIT] == [0, 1, 2]
    down, signal, transfer = seen[LIMIT:]
    assert isinstance(down, Down)
    assert signal == Exit(me.ref, "wake up")
    assert isinstance(transfer, TableTransfer)


@bounded
def test_the_oldest_is_found_behind_what_is_none_of_the_users(kind: type[Keeper]) -> None:
    watched = [Keeper.start() for _ in range(5)]
    keeper = kind.start(*watched)
    sys.suspend(keeper)
    for each in watched:
        each.stop()
        settle()
    for at in range(LIMIT):
        keeper.cast(at)
    assert losses(keeper)[2] == len(watched) + LIMIT
    if kind is Refusing:
        with pytest.raises(MailboxFull):
            keeper.cast("last")
    else:
        keeper.cast("last")
    sys.resume(keeper)
    downs, rest = kept(keeper)[:5], kept(keeper)[5:]
    assert [down.process for down in downs] == watched
    assert rest == ([1, 2, "last"] if kind is DroppingOldest else [0, 1, 2])


@bounded
def test_a_full_one_can_be_stopped_and_killed(kind: type[Keeper]) -> None:
    stopped, killed = full(kind), full(kind)
    assert stopped.stop(reason="over")
    exit(killed, "kill")
    assert (stopped.exit_reason, death_of(killed)) == ("over", "killed")
    for dead in (stopped, killed):
        dead.cast("nobody hears")
        with pytest.raises(CallExit):
            dead.ask("hello")


@bounded
def test_calls_that_wait_in_one_that_dies_fail_with_its_reason(kind: type[Keeper]) -> None:
    keeper = kind.start()
    sys.suspend(keeper)
    asked = [keeper.ask(at, block=False) for at in range(LIMIT)]
    exit(keeper, "kill")
    for future in asked:
        with pytest.raises(CallExit) as failed:
            future.get(timeout=SOON)
        assert failed.value.reason == "killed"


@bounded
def test_what_is_left_to_do_comes_first_and_in_order(kind: type[Keeper]) -> None:
    def leaves(self: Any, message: Any) -> None:
        self.continue_with("first")
        self.continue_with("second")
        self.kept.append(message)

    busy = type("Busy", (kind,), {"handle_cast": leaves}).start()
    sys.suspend(busy)
    for at in range(LIMIT):
        busy.cast(at)
    sys.resume(busy)
    after = [("continued", "first"), ("continued", "second")]
    assert kept(busy) == [0, *after, 1, *after, 2, *after]


def test_a_child_that_is_suspended_and_full_ends_with_its_parent() -> None:
    class Parent(Server):
        def init(self) -> None:
            self.child = Refusing.start_link()

        def handle_call(self, message: Any, caller: Call) -> Any:
            return self.child

    parent = Parent.start()
    keeper = parent.ask("child")
    sys.suspend(keeper)
    for at in range(LIMIT):
        keeper.cast(at)
    exit(parent, "gone")
    assert death_of(keeper) == "gone"


# State machines


class Waiting(StateMachine):
    """Postpones what comes until it is told to go on, or has waited too long."""

    mailbox_limit = LIMIT
    mailbox_overflow = "drop_oldest"

    def init(self) -> Any:
        self.seen: list[Any] = []
        return goto(self.closed, state_timeout(1000.0))

    @state
    def closed(self, event: Any) -> Any:
        match event:
            case Info("open"):
                return goto(self.open)
        return stay(postpone)

    @state
    def open(self, event: Any) -> Any:
        match event:
            case Call("seen", caller):
                return stay(reply(caller, list(self.seen)))
            case Cast(message):
                self.seen.append(message)
        return stay()


def test_what_a_machine_has_postponed_counts_and_is_not_dropped_any_more() -> None:
    waiting = Waiting.start()
    for at in range(LIMIT - 1):
        waiting.cast(at)
        sys.get_state(waiting)
    asked = waiting.ask("postponed", block=False)
    sys.get_state(waiting)
    waiting.cast("dropped itself")
    assert losses(waiting) == (0, 1, 0)
    assert not asked.done
    sys.replace_state(waiting, lambda pair: ("open", pair.data))
    waiting.cast("dropped too")
    assert losses(waiting) == (0, 2, 0)


def test_a_machine_that_has_changed_its_state_has_room_again() -> None:
    waiting = Waiting.start()
    for at in range(LIMIT - 1):
        waiting.cast(at)
        sys.get_state(waiting)
    waiting.tell("open")
    sys.get_state(waiting)
    assert waiting.ask("seen") == [0, 1]
    assert losses(waiting) == (0, 0, 0)


def test_the_timeouts_of_a_machine_come_through_a_full_mailbox() -> None:
    class Clock(StateMachine):
        mailbox_limit = 1

        def init(self) -> Any:
            self.seen: list[Any] = []
            return goto(self.still, state_timeout(0.001, "tick"))

        @state
        def still(self, event: Any) -> Any:
            match event:
                case StateTimeout(content) | Cast(content):
                    self.seen.append(content)
            return stay()

    with Mailbox() as me:
        clock = Clock.start()
        sys.suspend(clock)
        clock.cast("fills")
        send_after(0.01, me.ref, "later")
        assert me.receive(timeout=SOON) == "later"
        sys.resume(clock)
    assert sorted(sys.get_state(clock).data["seen"]) == ["fills", "tick"]


# Who else sends


def test_the_message_of_a_timer_is_lost_as_others_and_harms_nobody(logs: list[Any]) -> None:
    keeper = full(Refusing)
    with Mailbox() as me:
        send_after(0.0, keeper, "tick")
        send_after(0.01, me.ref, "later")
        assert me.receive(timeout=SOON) == "later"
    assert losses(keeper) == (1, 0, LIMIT)
    assert [log["event"] for log in logs if log["event"] == "timer_failed"] == []


def test_a_broadcast_passes_over_the_one_that_refuses() -> None:
    names = Registry.start(keys="duplicate")
    keepers = [Refusing.start(), full(Refusing), Refusing.start()]
    for keeper in keepers:
        names.register("all", process=keeper)
    assert names.broadcast("all", "news") == 3
    assert [kept(keeper) for keeper in keepers] == [["news"], [], ["news"]]


def test_a_thread_may_have_a_bound_for_its_mail() -> None:
    with Mailbox(limit=2, overflow="drop_oldest") as me:
        for at in range(5):
            me.ref.tell(at)
        assert me.messages() == [3, 4]
        assert me.receive(timeout=0) == 3
    with Mailbox(limit=1) as me:
        me.ref.tell("first")
        with pytest.raises(MailboxFull):
            me.ref.tell("second")
        assert me.receive(timeout=0) == "first"
        me.ref.tell("third")
        assert me.receive(timeout=0) == "third"


def test_a_tracer_that_refuses_is_taken_off() -> None:
    echo = Keeper.start()
    with Mailbox(limit=3) as me, sys.trace(echo, to=me.ref) as trace:
        for at in range(5):
            echo.cast(at)
        assert kept(echo) == list(range(5))
        assert not trace.active
        assert len(me.messages()) == 3


# Counted and reported


def test_losses_are_reported_at_each_doubling(logs: list[Any]) -> None:
    keeper = full(DroppingOldest)
    for at in range(20):
        keeper.cast(at)
    reports = [log for log in logs if log["event"] == "mailbox_overflow"]
    assert [log["count"] for log in reports] == [1, 2, 4, 8, 16]
    assert reports[0] == {
        "event": "mailbox_overflow",
        "log_level": "warning",
        "process": str(keeper),
        "process_class": "DroppingOldest",
        "overflow": "drop_oldest",
        "limit": LIMIT,
        "count": 1,
    }


@bounded
def test_status_and_statistics_tell_what_was_lost(kind: type[Keeper]) -> None:
    keeper = full(kind)
    sys.statistics(keeper, True)
    for at in range(4):
        keeper.ask(at, block=False)
    status, statistics = sys.get_status(keeper), sys.statistics(keeper)
    assert statistics is not None
    lost = (4, 0) if kind is Refusing else (0, 4)
    assert (status.refused, status.dropped) == lost
    assert (statistics.refused, statistics.dropped) == lost
    assert status.mailbox_limit == LIMIT
    assert sys.get_status(Keeper.start()).mailbox_limit is None


# What is no bound


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mailbox_limit", 0),
        ("mailbox_limit", -1),
        ("mailbox_limit", 1.5),
        ("mailbox_limit", True),
        ("mailbox_limit", "many"),
        ("mailbox_overflow", "drop"),
        ("mailbox_overflow", None),
    ],
)
def test_a_class_with_a_wrong_bound_is_refused_when_it_is_defined(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"Wrong.{name}"):
        type("Wrong", (Server,), {name: value})


def test_a_supervisor_has_no_bound() -> None:
    with pytest.raises(TypeError, match="mailbox_limit"):
        type("Wrong", (Supervisor,), {"mailbox_limit": 3})


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": 1, "overflow": "drop"}])
def test_a_thread_with_a_wrong_bound_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="mailbox"):
        Mailbox(**options)
