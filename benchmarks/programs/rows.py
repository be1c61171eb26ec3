"""The keys of the tables' workload, and how several threads work on them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from workloads import KEYS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Work = Callable[[Sequence[Any]], None]

KINDS: dict[str, list[Any]] = {
    "int": list(range(KEYS)),
    "tuple": [("session", number) for number in range(KEYS)],
}


class Rows:
    """A hundred thousand rows."""

    def read(self, keys: Sequence[Any]) -> None:
        """Read the row of each key."""
        raise NotImplementedError

    def write(self, keys: Sequence[Any]) -> None:
        """Replace the row of each key."""
        raise NotImplementedError


def together(work: Work, keys: list[Any], workers: int) -> Callable[[int], Awaitable[None]]:
    """Return an operation that works on `count` keys, spread over threads.

    The threads are none of Python's main one, as the workers of processes are not.
    """
    order = [keys[(n * 7919) % len(keys)] for n in range(len(keys))]

    async def op(count: int) -> None:
        each = count // workers

        def run() -> None:
            for at in range(0, each, len(order)):
                work(order[: min(len(order), each - at)])

        threads = [threading.Thread(target=run) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return op
