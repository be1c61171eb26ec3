"""State machines of `beam.otp`: a turnstile, run by its caller, and by the pool."""

from __future__ import annotations

from typing import Any

from beam_otp import quiet, rate
from measure import leave, say

from beam.otp import Call, DynamicSupervisor, Node, StateMachine, child, goto, reply, state


class Turnstile(StateMachine):
    """Opens for a coin, closes after a push."""

    def init(self) -> Any:
        """Begin locked."""
        return self.locked

    @state
    def locked(self, event: Any) -> Any:
        """Wait for a coin."""
        match event:
            case Call("coin", caller):
                return goto(self.opened, reply(caller, None))

    @state
    def opened(self, event: Any) -> Any:
        """Wait for somebody to pass."""
        match event:
            case Call("push", caller):
                return goto(self.locked, reply(caller, None))


class Inline(Turnstile):
    """The same, run by its caller."""

    blocking = False


def main() -> None:
    """Measure both."""
    quiet()
    with Node():
        supervisor = DynamicSupervisor.start()
        for figure, kind in (
            ("events a second", Inline),
            ("events a second, any process", Turnstile),
        ):
            ask = supervisor.start_child(child(kind)).ask

            def op(count: int, ask: Any = ask) -> None:
                for _ in range(count // 2):
                    ask("coin")
                    ask("push")

            say(figure, rate(op))
        leave()


main()
