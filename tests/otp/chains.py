"""Processes that ask one another, in chains and rings."""

from __future__ import annotations

import math
from typing import Any

from beam.errors import CallCycle
from beam.otp import Server
from tests.otp.actors import SOON


class Member(Server):
    """Asks the next of a ring, or of a chain; says what came of it."""

    def init(self) -> None:
        self.next: Any = None

    def chain_to(self, process: Any) -> None:
        self.next = process

    def go(self) -> Any:
        if self.next is None:
            return "the end"
        try:
            return self.next.proxy().go().get(timeout=math.inf)
        except CallCycle as ring:
            return ring

    def handle_call(self, message: Any, caller: Any) -> Any:
        return self.go() if message == "go" else message


def ends_with(function: Any) -> Any:
    """Return a process that may be the last of a chain."""
    return type("Last", (Server,), {"go": lambda _self: function()}).start()


def members(count: int, blocking: Any) -> list[Any]:
    modes = [None, False, True] if blocking == "mixed" else [blocking]
    kinds = [type("Member", (Member,), {"blocking": mode}) for mode in modes]
    return [kinds[at % len(kinds)].start() for at in range(count)]


def chain(processes: list[Any], *, ring: bool) -> None:
    for at, process in enumerate(processes[: None if ring else -1]):
        process.proxy().chain_to(processes[(at + 1) % len(processes)]).get(timeout=SOON)
