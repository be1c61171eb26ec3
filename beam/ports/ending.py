"""How an owner has its programs ended: by `Ports`, or by itself where `Ports` is not there."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from beam.errors import CallFailed, LoopStopped
from beam.ports.requests import StopPorts

if TYPE_CHECKING:
    from beam.otp import Ref
    from beam.ports.port import Port

__all__ = ["end_ports", "hasten"]


def hasten(port: Port | None, grace: float | None = None) -> None:
    """Begin to end a program, if there is one; where the loop has stopped, it is ended already.

    Args:
        port: the program.
        grace: seconds from TERM to KILL; None for its specification's.
    """
    if port is not None:
        with contextlib.suppress(LoopStopped):
            port.request_stop(grace)


def end_ports(
    ports: Ref[Any], owner: Ref[Any], port: Port | None, *, patience: float, within: float
) -> None:
    """End the programs of an owner, and wait until their trees are gone; run by the owner.

    Args:
        ports: the process `Ports`.
        owner: whose.
        port: the one that runs, if any.
        patience: seconds from end of file on its stdin to TERM.
        within: seconds that all of it may take.
    """
    try:
        ports.ask(StopPorts(owner, patience), timeout=within)
    except CallFailed:
        hasten(port)  # Whoever has the ports then goes on from there.
