"""User code as `docs/` shows it: type-checked with the library, never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import beam
from beam.backends import function
from beam.errors import MailboxFull
from beam.otp import (
    Backoff,
    Call,
    Down,
    DynamicSupervisor,
    Enter,
    Mailbox,
    Node,
    PartitionSupervisor,
    Refused,
    Restarts,
    Server,
    StateMachine,
    StateTimeout,
    Supervisor,
    Table,
    Tasks,
    child,
    goto,
    postpone,
    reply,
    state,
    state_timeout,
    stay,
    supervisor,
    sys,
    unhandled,
)
from beam.otp.tasks import TasksRef

# --- servers -------------------------------------------------------------------------------------


class Account(Server):
    def init(self, owner: str, balance: int = 0) -> None:
        self.owner, self.balance = owner, balance

    def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise Refused("insufficient_funds", balance=self.balance)
        self.balance -= amount
        return self.balance

    def handle_call(self, message: Any, caller: Call) -> Any:
        left: float | None = self.time_left()
        caller.reply((message, left, caller.time_left()))

    def handle_cast(self, message: Any) -> None:
        self.balance += message

    def handle_info(self, message: Any) -> None:
        match message:
            case Down(process=who, reason=why):
                print(who, why)

    def handle_continue(self, message: Any) -> None: ...

    def terminate(self, reason: Any) -> None: ...


def use_a_server() -> None:
    account = Account.start("ada", 100, name="ada")
    account.proxy().withdraw(30).get()
    account.proxy().withdraw.defer(30)
    account.ask("how much", timeout=1.0)
    account.cast(1)
    account.tell("anything")
    beam.otp.exit(account, "shutdown")
    with Node(), Mailbox() as me:
        me.receive(timeout=1.0)


async def use_a_server_from_a_coroutine() -> None:
    account = await Account.aio.start("ada", 100)
    print(await account.proxy().withdraw(30))


# --- state machines ------------------------------------------------------------------------------


class Door(StateMachine):
    def init(self, code: str) -> Any:
        self.code, self.keys = code, ""
        return self.locked

    @state(enter=True)
    def locked(self, event: Any) -> Any:
        match event:
            case Enter():
                self.keys = ""
                return None
            case Call(("press", key), caller):
                self.keys += key
                if self.keys == self.code:
                    return goto(self.open, reply(caller, "open"), state_timeout(10.0))
                return stay(reply(caller, "locked"))
            case _:
                return unhandled

    @state
    def open(self, event: Any) -> Any:
        match event:
            case StateTimeout():
                return goto(self.locked)
            case Call(("press", _), _):
                return stay(postpone)
        return None


# --- supervisors ---------------------------------------------------------------------------------


def use_supervisors() -> None:
    tree = Supervisor.start(
        [
            child(Account, "ada", restart="permanent", shutdown=5.0),
            child(Door, "42", restart="transient"),
            supervisor(
                [child(Account, f"worker {n}", id=n) for n in range(8)],
                id="workers",
                strategy="one_for_all",
            ),
        ],
        strategy="rest_for_one",
        max_restarts=3,
        max_seconds=5,
        name="app",
    )
    with tree:
        print(tree.which_children(), tree.tree())
        for branch in tree.tree().walk():
            left = branch.waits.left if branch.waits is not None else branch.left
            print(branch.id, branch.state, branch.mailbox, branch.restarts, left or 0.0)
        tree.restart_child("Door")

    report = tree.stop_within(5.0)
    if not report.clean:
        print(report, report.ended, [(one.process, one.granted) for one in report.killed])
        print([line for one in report.given_up for line in one.stack])
    print(Node().stop(within=1.0).took)

    template = Supervisor.start([child(Account)], strategy="simple_one_for_one")
    template.start_child("ada")

    pool = DynamicSupervisor.start(
        budget=Restarts(5, per=60.0), backoff=Backoff(0.5, 30.0, jitter=0.2)
    )
    pool.start_child(child(Account, "ada", id="job-17"))

    accounts = PartitionSupervisor.start(
        child(Account, "shared"),
        partitions=4,
        with_arguments=lambda args, number: (*args, number),
        name="accounts",
    )
    print(accounts.whereis("ada").ask("how much"), accounts.partitions() + accounts.resize(2))
    PartitionSupervisor.partition("accounts", "ada").cast(1)


# --- looking into processes ----------------------------------------------------------------------


def look_into_a_process() -> None:
    account = Account.start("ada", 100, name="ada")
    print(sys.get_state(account), sys.get_state("ada", timeout=1.0))
    sys.replace_state(account, lambda state: {**state, "balance": 90})
    status = sys.get_status(account)
    print(status.suspended, status.mailbox, status.parent, status.state)
    sys.suspend(account)
    sys.resume(account)
    sys.statistics(account, True)
    statistics = sys.statistics(account)
    if statistics is not None:
        print(statistics.messages_in + statistics.mailbox_high_water)
    events: list[sys.TraceEvent] = []
    with sys.trace(account, to=events.append), sys.trace(account, "bob", limit=10) as between:
        print([(event.kind, event.peer, event.value) for event in between.events()])


class Bounded(Server):
    mailbox_limit = 100
    mailbox_overflow = "drop_oldest"
    long_mailbox = 50
    slow_handler = 1.5


def use_bounds_and_alarms() -> None:
    with Node(slow_handler=5.0, long_mailbox=1000) as node, Mailbox(limit=10) as me:
        try:
            me.ref.tell("hello")
        except MailboxFull as full:
            print(full.process, full.limit, full.overflow)
        for alarm in node.alarms():
            print(alarm.process, alarm.since, alarm.limit)
        print(node.alarm_counts["slow_handler"])


async def look_into_a_process_from_a_coroutine() -> None:
    print(await sys.aio.get_state("ada"))


# --- tasks ---------------------------------------------------------------------------------------


def halve(number: int) -> float:
    return number / 2


def use_tasks() -> None:
    with Tasks.start(max_children=8, shutdown=1.0) as tasks:
        task = tasks.run(halve, 3, timeout=5.0)
        half: float = task.get(timeout=1.0)
        late: float | None = task.shutdown("brutal")
        or_text: float | str = task.shutdown(default="none")
        print(half, late, or_text, task.wait(1.0), task.failed, task.args)
        halves: list[float] = tasks.get_many([task, tasks.run_nolink(halve, 5)], timeout=1.0)
        done, not_done = tasks.wait_many([task], limit=1, timeout=1.0, on_timeout="kill_task")
        print(halves, done[0].get(), len(not_done))
        with tasks.map(halve, range(10), max_concurrency=4, ordered=False) as mapped:
            total: float = sum(mapped)
        for ended in tasks.map_nolink(halve, [1, 2], on_timeout="kill_task", timeout=1.0):
            print(total, ended.get() if not ended.failed else ended.args)
        tasks.start_child(halve, 3, restart="transient")


async def use_tasks_in_a_coroutine(tasks: TasksRef) -> float:
    async with tasks.aio.map(halve, range(10)) as mapped:
        return sum([value async for value in mapped])


# --- tables --------------------------------------------------------------------------------------


def use_a_table() -> None:
    users = Table.new("users", kind="ordered_set", access="protected")
    users.insert(("ada", 36), ("bob", 41))
    print(users.lookup("bob"), users.match(("$1", 36)), users.update_counter("ada", 1))


# --- fleets --------------------------------------------------------------------------------------


def review(prompt: str) -> Iterator[str]:
    yield f"reviewed: {prompt}"


def use_a_fleet() -> None:
    backends = {"reviewer": function(review), "second": function(review)}
    with beam.Fleet(store="fleet.db", backends=backends) as fleet:
        session = fleet.start_session(
            routing={"policy": "failover", "preferred_backends": ["reviewer", "second"]},
            cwd="repo",
            on_crash="retry",
        )
        with session.stream("Fix the failing test") as stream:
            for message in stream:
                print(message.type, message.content)
        run = session.submit("Now the docs")
        print(run.get(timeout=600), session.query("Summarise").get())
        for event in session.events(after=120):
            print(event)
        fleet.control.list_pending_requests(session.id)
        print(fleet.tree(), fleet.whereis("Router"), beam.whereis("counter"))


def use_what_is_behind_the_doors() -> None:
    agents = {"claude": beam.backends.claude(), "codex": beam.backends.codex()}
    with beam.Fleet(backends=agents):
        beam.telemetry.attach(("routing",), lambda event, measured, about: print(event))
    print(beam.testing.BackendConformance, beam.providers.Provider, beam.model.Message)


async def use_a_fleet_from_a_coroutine() -> None:
    async with beam.Fleet(backends={"reviewer": function(review)}) as fleet:
        session = await fleet.aio.start_session(backend="reviewer")
        async for message in session.stream("Fix the failing test"):
            print(message.type, message.content)
        print(await session.query("Summarise the change"))
        print(await session.submit("Now the docs"))
