"""A fleet of two sessions: one streams, one answers; then the second one's process is killed.

Run: python examples/fleet.py
"""

from collections.abc import Iterator

import structlog

import beam
from beam.otp import exit as send_exit


def think_aloud(prompt: str) -> Iterator[str]:
    """Say the words of the prompt one by one; the last is the answer."""
    yield from prompt.split()


def review(prompt: str) -> str:
    """Answer at once."""
    return f"reviewed: {prompt}"


def main() -> None:
    """Stream, query, kill, query again."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    backends = {"thinker": beam.function(think_aloud), "reviewer": beam.function(review)}
    with beam.Fleet(backends=backends) as fleet:
        thinker = fleet.start_session(backend="thinker")
        for message in thinker.stream("Fix the failing test"):
            print(message.type, message.content)
        reviewer = fleet.start_session(backend="reviewer", on_crash="retry")
        print(reviewer.query("the change").get(timeout=10))
        process = fleet.whereis(reviewer.id)
        assert process is not None
        send_exit(process, "kill")
        print(reviewer.query("the change, again").get(timeout=10))
        print(reviewer.info().restarts, "restart;", len(reviewer.messages()), "messages in the log")
        print(fleet.tree())


if __name__ == "__main__":
    main()
