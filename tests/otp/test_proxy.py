"""Proxies: a process's public methods and attributes, as calls."""

from __future__ import annotations

import functools
from typing import Any, ClassVar
from unittest import mock

import pykka
import pytest

from beam.errors import CallExit, Refused
from beam.otp import Future, Server, exit
from tests.otp.actors import KINDS, SOON, Echo, at_once, death_of, eventually, hold_up
from tests.volume import scaled

pytestmark = pytest.mark.usefixtures("node")


class Volume:
    """Something inside a process that proxies may look into."""

    pykka_traversable = True
    level = 3

    def louder(self, by: int = 1) -> int:
        self.level += by
        return self.level


class Account(Server):
    """One of each thing that a proxy may meet."""

    currency = "EUR"
    settable: ClassVar = ("owner", "volume")

    def init(self, owner: str = "ada", balance: int = 0) -> None:
        self.owner, self.balance = owner, balance
        self.volume = pykka.traversable(Volume())
        self._secret = 7

    def deposit(self, amount: int, *, twice: bool = False) -> int:
        self.balance += amount * (2 if twice else 1)
        return self.balance

    def withdraw(self, amount: int) -> int:
        if amount > self.balance:
            raise Refused("insufficient_funds", balance=self.balance)
        self.balance -= amount
        return self.balance

    @property
    def rich(self) -> bool:
        return self.balance > 1000

    @classmethod
    def bank(cls) -> str:
        return f"bank of {cls.__name__}"

    @staticmethod
    def motto() -> str:
        return "safe"

    big_deposit = functools.partialmethod(deposit, 1000)

    def _private(self) -> None:
        raise AssertionError

    def handle_info(self, message: Any) -> None:
        self.balance += message


modes = pytest.mark.parametrize("blocking", [None, False, True], ids=["pool", "inline", "thread"])


def account(blocking: bool | None = None, **arguments: Any) -> Any:
    return type("Account", (Account,), {"blocking": blocking}).start(**arguments)


@modes
def test_a_method_is_a_call(blocking: bool | None) -> None:
    proxy = account(blocking).proxy()
    assert isinstance(proxy, pykka.ActorProxy)
    answer = proxy.deposit(30, twice=True)
    assert isinstance(answer, Future)
    assert answer.get(timeout=SOON) == 60
    with pytest.raises(Refused) as caught:
        proxy.withdraw(100).get()
    assert caught.value.balance == 60


@modes
def test_a_deferred_method_is_a_cast(blocking: bool | None) -> None:
    process = account(blocking)
    assert process.proxy().deposit.defer(30) is None
    assert process.proxy().balance.get(timeout=SOON) == 30
    process.proxy().withdraw.defer(100)
    assert isinstance(death_of(process).exception, Refused)


@modes
def test_attributes_are_futures_of_their_values(blocking: bool | None) -> None:
    proxy = account(blocking, owner="bob", balance=2000).proxy()
    assert proxy.owner.get() == "bob"
    assert proxy.currency.get() == "EUR"
    assert proxy.rich.get() is True


def test_every_form_of_method_is_one() -> None:
    proxy = account().proxy()
    assert proxy.bank().get() == "bank of Account"
    assert proxy.motto().get() == "safe"
    assert proxy.big_deposit().get() == 1000


def test_a_proxy_offers_what_the_users_class_defines_and_nothing_else() -> None:
    proxy = account().proxy()
    assert dir(proxy) == [
        "actor_ref",
        "balance",
        "bank",
        "big_deposit",
        "currency",
        "deposit",
        "motto",
        "owner",
        "rich",
        "volume",
        "withdraw",
    ]
    for name in (
        "init",
        "handle_info",
        "terminate",
        "stop",
        "settable",
        "trap_exit",
        "node",
        "_private",
        "_secret",
        "actor_urn",
        "no_such_thing",
        "continue_with",
    ):
        with pytest.raises(AttributeError, match=name):
            getattr(proxy, name)


def test_what_a_class_inherits_and_mixes_in_is_its_own() -> None:
    class Mixin:
        def greet(self) -> str:
            return f"hello {self.owner}"  # type: ignore[attr-defined]

    class Savings(Mixin, Account):
        def interest(self) -> int:
            return self.balance // 10

    proxy = Savings.start(balance=100).proxy()
    assert proxy.greet().get() == "hello ada"
    assert proxy.interest().get() == 10
    assert proxy.deposit(10).get() == 110


def test_what_is_settable_can_be_set_and_nothing_else() -> None:
    process = account()
    proxy = process.proxy()
    proxy.owner = "bob"
    assert proxy.owner.get() == "bob"
    for name in ("balance", "currency", "deposit", "new"):
        with pytest.raises(AttributeError, match=f"{name}.*settable: owner, volume"):
            setattr(proxy, name, 1)
    with pytest.raises(AttributeError, match="settable: nothing"):
        Echo.start().proxy().told = []


def test_a_traversable_attribute_is_a_proxy_of_its_own() -> None:
    proxy = account().proxy()
    assert proxy.volume.level.get() == 3
    assert proxy.volume.louder(by=2).get() == 5
    proxy.volume.level = 9
    assert proxy.volume.level.get() == 9
    with pytest.raises(AttributeError):
        _ = proxy.volume._private
    with pytest.raises(AttributeError):
        _ = proxy.volume.missing


def test_either_of_pykkas_marks_makes_an_attribute_traversable() -> None:
    class Shelf(Server):
        marked_by_the_user = Volume()
        marked_by_pykka = pykka.traversable(type("Plain", (), {"level": 4})())
        not_marked = type("Plain", (), {"level": 5})()

    proxy = Shelf.start().proxy()
    assert proxy.marked_by_the_user.level.get() == 3
    assert proxy.marked_by_pykka.level.get() == 4
    assert isinstance(proxy.not_marked, Future)


def test_a_missing_attribute_is_said_in_pykkas_words() -> None:
    with pytest.raises(AttributeError, match=r"<ActorProxy for Account.* has no attribute 'fee'"):
        account().proxy().fee()


def test_a_mock_may_stand_for_a_method_or_a_property() -> None:
    rich = mock.NonCallableMock()
    rich.__get__ = mock.Mock(return_value="very")
    kind = type("Mocked", (Account,), {"withdraw": mock.MagicMock(return_value=7), "rich": rich})
    proxy = kind.start().proxy()
    assert proxy.withdraw(1).get() == 7
    assert proxy.rich.get() == "very"


def test_into_what_is_not_settable_nothing_can_be_set() -> None:
    class Sealed(Account):
        settable: ClassVar = ()

    proxy = Sealed.start().proxy()
    with pytest.raises(AttributeError, match="volume"):
        proxy.volume.level = 9
    assert proxy.volume.level.get() == 3


def test_proxies_are_compared_by_what_they_stand_for() -> None:
    process = account()
    assert process.proxy() == process.proxy()
    assert process.proxy() != account().proxy()
    assert process.proxy().volume == process.proxy().volume
    assert process.proxy().volume != process.proxy()
    assert len({process.proxy(), process.proxy()}) == 1
    assert process.proxy() != "another thing"
    assert process.proxy() != pykka.ActorProxy(actor_ref=process)
    assert "Account" in repr(process.proxy())


def test_a_method_that_crashes_kills_the_process() -> None:
    process = account()
    with pytest.raises(CallExit) as caught:
        process.proxy().deposit("no number").get()
    assert isinstance(caught.value.reason.exception, TypeError)
    assert not process.is_alive()


@modes
def test_a_proxy_of_the_dead_gives_futures_that_fail(blocking: bool | None) -> None:
    process = account(blocking)
    proxy = process.proxy()
    process.stop()
    for use in (
        lambda: proxy.deposit(1),
        lambda: proxy.owner,
        lambda: proxy.currency,
        lambda: proxy.rich,
    ):
        with pytest.raises(CallExit) as caught:
            use().get(timeout=SOON)
        assert caught.value.reason == "noproc"
    with pytest.raises(CallExit):
        proxy.owner = "bob"
    proxy.deposit.defer(1)


@pytest.mark.schedulers("pool", "thread")
@modes
@pytest.mark.usefixtures("fine_switching")
def test_proxies_on_dying_processes_answer_or_say_that_it_died(blocking: bool | None) -> None:
    for _ in range(scaled(2_000)):
        process = account(blocking, owner="eve")
        proxy = process.proxy()

        def use(proxy: Any = proxy) -> None:
            while True:
                try:
                    assert proxy.owner.get(timeout=SOON) == "eve"
                    assert proxy.deposit(1).get(timeout=SOON) > 0
                    assert proxy.currency.get(timeout=SOON) == "EUR"
                    proxy.deposit.defer(1)
                except CallExit as gone:
                    assert gone.reason in {"gone", "noproc"}  # noqa: PT017
                    if gone.reason == "noproc":
                        return

        at_once(use, use, lambda process=process: exit(process, "gone"))


def test_a_call_to_an_attribute_that_has_gone_is_refused() -> None:
    class Forgets(Server):
        def init(self) -> None:
            self.mood = "good"

        def forget(self) -> None:
            del self.mood

    process = Forgets.start()
    proxy = process.proxy()
    assert proxy.mood.get() == "good"
    process.proxy().forget().get()
    with pytest.raises(AttributeError):
        _ = proxy.mood
    assert process.is_alive()


def test_an_attribute_that_goes_while_it_is_asked_for_is_refused() -> None:
    class Forgets(Echo):
        def init(self) -> None:  # type: ignore[override]
            super().init()
            self.mood = "good"

    process = Forgets.start()
    gate = hold_up(process)

    def forget() -> None:
        del process.control.actor.mood

    process.cast(("do", forget))
    mood = process.proxy().mood
    gate.open()
    with pytest.raises(Refused) as caught:
        mood.get(timeout=SOON)
    assert (caught.value.reason, caught.value.facts["name"]) == ("no_attribute", "mood")
    assert process.is_alive()


def test_an_instance_attribute_shows_from_when_it_is_set() -> None:
    process = Echo.start()
    proxy = process.proxy()
    with pytest.raises(AttributeError, match="mood"):
        _ = proxy.mood
    process.ask(("do", lambda: setattr(process.control.actor, "mood", "good")))
    assert proxy.mood.get() == "good"
    eventually(lambda: "mood" in dir(proxy))


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_is_made_anew_at_little_cost(kind: type[Echo]) -> None:
    process = kind.start()
    assert all(process.proxy().actor_ref is process for _ in range(1000))
