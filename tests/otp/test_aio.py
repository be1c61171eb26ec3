"""Coroutine twins, and blocking functions on the thread of a running loop."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import subprocess
import sys
import threading
import warnings
from typing import Any

import pytest

from beam.errors import NotAProcess, StartError
from beam.otp import Down, Exit, Mailbox, Server, context, exit
from beam.otp.aio import Aio
from tests.otp.actors import KINDS, SOON, Echo, Gate, ThreadEcho, eventually

pytestmark = [
    pytest.mark.usefixtures("node"),
    pytest.mark.schedulers("pool", "thread"),  # An event loop waits for what is real.
]

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def unwarned(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing had been warned of yet."""
    monkeypatch.setattr(context, "_warned", set())


@kinds
def test_a_process_is_started_without_blocking_the_loop(kind: type[Echo]) -> None:
    gate = Gate()

    class Slow(kind):  # type: ignore[misc, valid-type]
        def init(self, greeting: str) -> None:
            gate()
            super().init()
            self.told.append(greeting)

    async def main() -> Any:
        starting = asyncio.create_task(Slow.aio.start("hello", name="slow"))
        await asyncio.to_thread(gate.reached)
        assert not starting.done()
        gate.open()
        process = await starting
        return await process.ask("told", block=False)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(main()) == ["hello"]


def test_a_twin_raises_what_its_function_does() -> None:
    async def main() -> None:
        with pytest.raises(StartError) as caught:
            await type("Bad", (Server,), {"init": lambda _self: exit("no")}).aio.start()
        assert caught.value.reason == "no"
        with pytest.raises(NotAProcess):
            await Echo.aio.start_link()

    asyncio.run(main())


def test_a_twin_lives_in_the_callers_context() -> None:
    variable = contextvars.ContextVar("variable", default="outer")

    class Reads(Server):
        def init(self) -> None:
            self.read = variable.get()

        def what(self) -> str:
            return self.read

    async def main() -> str:
        variable.set("inner")
        process = await Reads.aio.start()
        return await process.proxy().what()

    assert asyncio.run(main()) == "inner"


def test_cancelling_a_twin_abandons_the_wait_and_not_the_work(node: Any) -> None:
    gate = Gate()

    class Slow(Echo):
        def init(self) -> None:  # type: ignore[override]
            gate()
            super().init()

    async def main() -> None:
        starting = asyncio.create_task(Slow.aio.start(name="slow"))
        await asyncio.to_thread(gate.reached)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        gate.open()

    asyncio.run(main())
    eventually(lambda: node.whereis("slow") is not None)
    assert node.whereis("slow").ask("alive", timeout=SOON) == "alive"


def test_what_a_process_starts_by_a_twin_is_its_own() -> None:
    with Mailbox(trap_exit=True) as me:

        async def main() -> Any:
            linked = await Echo.aio.start_link()
            watched, watching = await ThreadEcho.aio.start_monitor()
            return linked, watched, watching

        linked, watched, watching = asyncio.run(main())
        assert linked.control.parent is watched.control.parent is me.ref.control
        exit(linked, "a")
        assert me.receive(timeout=SOON) == Exit(linked, "a")
        exit(watched, "b")
        assert me.receive(timeout=SOON) == Down(watching, watched, "b")


def test_any_number_of_twins_may_wait_for_each_other() -> None:
    count = 60
    arrived = threading.Barrier(count)

    class Meets(Server):
        def init(self) -> None:
            arrived.wait(SOON)

    async def main() -> list[Any]:
        return await asyncio.gather(*[Meets.aio.start() for _ in range(count)])

    assert len(asyncio.run(main())) == count


def test_the_interpreter_exits_although_a_twin_does_not_come_back() -> None:
    program = (
        "import asyncio, threading\n"
        "from beam.otp import Server\n"
        "class Hangs(Server):\n"
        "    def init(self):\n"
        "        threading.Event().wait()\n"
        "async def main():\n"
        "    try:\n"
        "        await asyncio.wait_for(Hangs.aio.start(), 0.05)\n"
        "    except TimeoutError:\n"
        "        print('late')\n"
        "asyncio.run(main())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=SOON, check=True
    )
    assert (ran.stdout, ran.stderr) == ("late\n", "")


def test_a_twin_has_the_name_and_the_words_of_its_function() -> None:
    twin = Echo.aio.start
    assert inspect.iscoroutinefunction(twin)
    assert twin.__name__ == "start"
    assert twin.__doc__ == Echo.start.__doc__


def test_there_are_twins_of_what_blocks_and_of_nothing_else() -> None:
    assert dir(Echo.aio) == ["start", "start_link", "start_monitor"]
    assert isinstance(Echo.aio, Aio)
    with pytest.raises(AttributeError, match="stop"):
        Echo.aio.stop  # noqa: B018 - the access is what is tested


@pytest.mark.usefixtures("unwarned")
def test_a_blocking_function_on_a_running_loop_works_and_warns_once_naming_its_twin() -> None:
    class Counted(Echo):
        pass

    async def main() -> list[Any]:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            for _ in range(2):
                process = Counted.start()
                assert process.ask("hello") == "hello"
        return seen

    seen = asyncio.run(main())
    texts = [str(each.message) for each in seen]
    assert len(seen) == 2
    assert "Counted.start() blocks the running event loop" in texts[0]
    assert "await Counted.aio.start(...)" in texts[0]
    assert "Ref.ask()" in texts[1]
    assert "await ref.ask(message, block=False)" in texts[1]
    assert {each.category for each in seen} == {context.BlockingCallWarning}
    # It is the user's line that is named.
    assert {each.filename for each in seen} == {__file__}


@pytest.mark.usefixtures("unwarned")
def test_a_stop_that_blocks_names_the_one_that_does_not() -> None:
    process = Echo.start()

    async def main() -> list[Any]:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            assert process.stop() is True
        return seen

    (warning,) = asyncio.run(main())
    assert "Ref.stop()" in str(warning.message)
    assert "await ref.stop(block=False)" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.usefixtures("unwarned")
def test_what_does_not_block_does_not_warn() -> None:
    async def main() -> Any:
        process = await Echo.aio.start()
        process.tell("a")
        process.cast("b")
        exit(await Echo.aio.start(), "kill")
        told = await process.ask("told", block=False)
        stopped = await process.stop(block=False)
        return told, stopped

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert asyncio.run(main()) == (["a", "b"], True)


def test_outside_a_loop_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Echo.start().ask("hello") == "hello"


def test_handlers_may_run_loops_of_their_own() -> None:
    process = Echo.start()

    class Loops(Server):
        blocking = True

        def handle_call(self, message: Any, caller: Any) -> Any:
            async def main() -> Any:
                return await asyncio.gather(*[process.ask(at, block=False) for at in range(5)])

            return asyncio.run(main())

    assert Loops.start().ask("go") == [0, 1, 2, 3, 4]
