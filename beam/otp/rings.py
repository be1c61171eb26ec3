"""Rings of calls: how one is known, and that what is refused for it is not done later (G6).

    A calls B, B calls C, C calls A: C is refused, with the path C, A, B, C.

Were a refused call left with its callee, each member of a ring would go on to ask the next as soon
as it is free, and be refused again, for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam.errors import CallCycle
    from beam.otp.control import Control
    from beam.otp.future import Future
    from beam.otp.ref import Ref

__all__ = ["path_back", "take_back"]


def path_back(control: Control, callee: Control) -> tuple[Ref[Any], ...] | None:
    """Return the path by which a wait of `control` for `callee` leads back to it, if it does.

    Run under the node's lock.
    """
    path, seen = [control.ref], set[Any]()
    at: Control | None = callee
    while at is not None and at not in seen:
        path.append(at.ref)
        if at is control:
            return tuple(path)
        seen.add(at)
        at = at.waits_for()
    return None


def take_back(future: Future[Any], ring: CallCycle) -> None:
    """Have the callee not do what was refused, unless it has begun or others wait for it."""
    callee = future.callee
    if callee is None or future.waiters:
        return
    if any(getattr(mail, "future", None) is future for mail in list(callee.mailbox)):
        future.settle(ring, failed=True)
