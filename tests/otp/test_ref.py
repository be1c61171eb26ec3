"""Refs: Pykka's, with OTP's verbs."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pykka
import pytest
from pykka._envelope import Envelope

from beam.errors import CallCycle, CallExit, InvalidInput
from beam.otp import (
    Exit,
    Future,
    Mailbox,
    Node,
    Ref,
    Server,
    current_process,
    exit,
    link,
    receive,
    spawn,
)
from tests.otp.actors import KINDS, SOON, Echo, death_of, eventually, hold_up

pytestmark = pytest.mark.usefixtures("node")

kinds = pytest.mark.parametrize("kind", KINDS)


def test_a_ref_is_pykkas(node: Node) -> None:
    process = Echo.start()
    assert isinstance(process, pykka.ActorRef)
    assert process.actor_class is Echo
    assert process.actor_urn == f"urn:beam:{node.name}:1"
    assert process.node is node
    assert pykka.ActorRegistry.get_all() == []


def test_a_ref_says_class_name_and_number() -> None:
    assert str(Echo.start()) == "Echo #1"
    assert repr(Echo.start(name="echo")) == "<Echo 'echo' #2>"


def test_a_ref_outlives_its_process() -> None:
    process = Echo.start(name="echo")
    assert process.is_alive()
    assert process.exit_reason is None
    assert not process.actor_stopped.is_set()
    process.stop(reason="done")
    assert not process.is_alive()
    assert process.exit_reason == "done"
    assert process.actor_stopped.is_set()
    assert str(process) == "Echo 'echo' #1"


def test_the_end_of_a_process_can_be_waited_for() -> None:
    process = Echo.start()
    ended = process.actor_stopped
    assert ended.wait(0.0) is False
    waiting = Echo.start().ask(("do", lambda: ended.wait(SOON)), block=False, timeout=SOON)
    assert process.stop() is True
    assert waiting.get() is True
    assert ended.wait() is True


def test_a_process_that_waits_for_its_own_end_closes_a_ring() -> None:
    process = Echo.start()
    with pytest.raises(CallExit) as caught:
        process.ask(("do", lambda: process.actor_stopped.wait(SOON)))
    assert isinstance(caught.value.reason.exception, CallCycle)


def test_copies_of_a_ref_are_the_ref_itself() -> None:
    process = Echo.start()
    assert copy.copy(process) is process
    assert copy.deepcopy({"ref": [process]}) == {"ref": [process]}
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(process)


def test_refs_are_compared_and_hashed_by_process() -> None:
    first, second = Echo.start(), Echo.start()
    assert first == first.control.ref
    assert first != second
    assert len({first, second, first}) == 2


@kinds
def test_tell_reaches_handle_info_and_cast_reaches_handle_cast(kind: type[Echo]) -> None:
    seen: list[Any] = []

    class Sorts(kind):  # type: ignore[misc, valid-type]
        def handle_info(self, message: Any) -> None:
            seen.append(("info", message))

        def handle_cast(self, message: Any) -> None:
            seen.append(("cast", message))

    process = Sorts.start()
    process.tell(1)
    process.cast(2)
    process.stop()
    assert seen == [("info", 1), ("cast", 2)]


@kinds
def test_to_the_dead_tell_fails_and_cast_goes_nowhere(kind: type[Echo]) -> None:
    process = kind.start()
    process.stop()
    with pytest.raises(pykka.ActorDeadError) as caught:
        process.tell("hello")
    assert isinstance(caught.value, CallExit)
    assert caught.value.reason == "noproc"
    process.cast("hello")
    with pytest.raises(pykka.ActorDeadError):
        process.proxy()


@kinds
def test_ask_waits_unless_told_not_to(kind: type[Echo]) -> None:
    process = kind.start()
    assert process.ask("hello") == "hello"
    call = process.ask("hello", block=False)
    assert isinstance(call, Future)
    assert call.get(timeout=SOON) == "hello"


def test_the_inbox_takes_pykkas_envelopes() -> None:
    process = Echo.start()
    gate = hold_up(process)
    inbox = process.actor_inbox
    assert inbox.empty()
    answer: Future[Any] = Future()
    inbox.put(Envelope("told"))
    inbox.put(Envelope("asked", reply_to=answer))
    assert not inbox.empty()
    gate.open()
    assert answer.get(timeout=SOON) == "asked"
    assert process.ask("told") == ["told"]
    with pytest.raises(TypeError):
        inbox.get()


def test_the_actor_knows_its_pykka_attributes() -> None:
    class Knows(Server):
        def handle_call(self, message: Any, caller: Any) -> Any:
            return (
                self.actor_ref,
                self.actor_urn,
                self.actor_inbox.empty(),
                self.actor_stopped.is_set(),
                str(self),
                repr(self),
            )

    process = Knows.start()
    assert process.ask("who?") == (
        process,
        process.actor_urn,
        True,
        False,
        "Knows #1",
        "<Knows #1>",
    )


def test_pykkas_registry_and_stop_all_do_not_concern_us() -> None:
    process = Echo.start()
    pykka.ActorRegistry.stop_all()
    assert process.ask("alive") == "alive"


def test_the_users_object_is_let_go_of_when_it_is_dead() -> None:
    process = Echo.start()
    actor = process._actor_weakref
    assert actor() is process.control.actor
    process.stop()
    eventually(lambda: process.control.actor is None)
    assert process._actor_weakref() is None


def test_the_message_of_a_dead_ref_names_it() -> None:
    process = Echo.start(name="echo")
    process.ask(("exit", "gone"), block=False)
    assert death_of(process) in {"gone", "noproc"}
    with pytest.raises(CallExit, match=r"^Echo 'echo' #1 not found$"):
        process.ask("hello")


def test_the_init_process_of_a_node_offers_nothing(node: Node) -> None:
    init = node.init.ref
    assert isinstance(init, Ref)
    assert str(init) == "init #0"
    init.tell("hello")
    init.cast("hello")
    with pytest.raises(CallExit):
        init.ask("hello", timeout=None)
    assert dir(init.proxy()) == ["actor_ref"]
    with Mailbox():
        assert init.is_alive()


def test_a_process_says_whether_it_traps_exits_and_to_whom_it_is_linked() -> None:
    process, other, third = Echo.start(), Echo.start(trap_exit=True), Echo.start()
    assert (process.trap_exit, other.trap_exit) == (False, True)
    process.ask(("do", lambda: (link(third), link(other))))
    assert (process.links(), other.links(), third.links()) == ([third, other], [process], [process])
    exit(process, "boom")
    assert death_of(third) == "boom"
    assert (process.links(), other.links(), third.links()) == ([], [], [])
    assert process.trap_exit is False


def test_a_function_sets_whether_it_traps_exits_and_nobody_else_does() -> None:
    def trap(to: Ref[Any]) -> None:
        me = current_process()
        assert me is not None
        me.trap_exit = True
        to.tell("ready")
        to.tell(receive())

    with Mailbox() as me:
        process = spawn(trap, me.ref)
        assert me.receive(timeout=SOON) == "ready"
        with pytest.raises(InvalidInput):
            process.trap_exit = False
        exit(process, "boom")
        assert me.receive(timeout=SOON) == Exit(me.ref, "boom")
