"""Senders' marks: who has sent a cast or a message, for processes that are traced.

A message does not say who sent it, and nobody pays for that. While a process is traced its ref has
a class that notes the sender, in the context that travels with the message.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from beam.errors import CallExit
from beam.otp.context import here
from beam.otp.control import Life
from beam.otp.mail import Cast, Info
from beam.otp.observed import sender

if TYPE_CHECKING:
    from beam.otp.control import Control
    from beam.otp.ref import Ref

__all__ = ["mark_senders", "unmark_senders"]


class _Marking:
    """What the ref of a traced process does otherwise."""

    __slots__ = ()

    def tell(self: Any, message: Any) -> None:
        if self.control.life is Life.DEAD:
            raise CallExit("noproc", self)
        self.control.post(_marked(Info(message), self.control))

    def cast(self: Any, message: Any) -> None:
        self.control.post(_marked(Cast(message), self.control))


def _marked(mail: Info, target: Control) -> Info:
    me = here.control
    # With whom it was sent to: a message that is sent on inherits the context, and is another.
    mail.context.run(sender.set, (me.ref, target) if me is not None else None)
    return mail


@functools.cache
def _marking(kind: Any) -> type:
    return type(kind.__name__, (_Marking, kind), {"__slots__": (), "__doc__": kind.__doc__})


def mark_senders(ref: Ref[Any]) -> None:
    """Have the messages that are sent with this ref, the only one of its process, say from whom."""
    kind: Any = type(ref)
    if not issubclass(kind, _Marking):
        _become(ref, _marking(kind))


def unmark_senders(ref: Ref[Any]) -> None:
    """Have them say nothing again."""
    if isinstance(ref, _Marking):
        _become(ref, type(ref).__mro__[2])


def _become(ref: Any, kind: type) -> None:
    ref.__class__ = kind
