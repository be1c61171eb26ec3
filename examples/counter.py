"""A supervised counter: it crashes, and is back before anybody asks.

Run: python examples/counter.py
"""

import structlog

import beam
from beam.errors import CallExit
from beam.otp import Down, Mailbox, Server, Supervisor, child, monitor


class Counter(Server):
    """Counts; has no answer for a negative step."""

    def init(self, start: int = 0) -> None:
        """Begin at `start`."""
        self.count = start

    def increment(self, by: int = 1) -> int:
        """Count on; a public method is a call, as with every Pykka proxy."""
        if by < 0:
            raise ValueError(by)  # No `Refused`, so a crash.
        self.count += by
        return self.count


def main() -> None:
    """Crash a supervised counter, and count on."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    specs = [child(Counter, 10, name="counter")]
    with Supervisor.start(specs, strategy="one_for_one"), Mailbox() as me:
        counter = beam.whereis("counter")
        assert counter is not None
        print(counter.proxy().increment(5).get())
        monitor(counter)
        try:
            counter.proxy().increment(-1).get()
        except CallExit as gone:
            print("the call ended with", gone.reason)
        match me.receive(timeout=5.0):
            case Down(process=who) if who is counter:
                print("it is down")
        replacement = None
        while replacement is None or replacement is counter:
            replacement = beam.whereis("counter")
        print(replacement.proxy().increment(1).get())


if __name__ == "__main__":
    main()
