"""A process as Pykka shows an actor: its inbox, and whether it has stopped."""

from __future__ import annotations

import contextlib
from typing import Any

import pykka

from beam.otp.context import here
from beam.otp.control import Control, Life
from beam.otp.future import Future
from beam.otp.mail import Call, Info
from beam.otp.signals import DeathWatch, unwatch, watch

__all__ = ["Inbox", "Stopped"]


class Stopped:
    """Pykka's `actor_stopped`: an event that is set when the process has ended."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def is_set(self) -> bool:
        """Return whether the process has ended."""
        return self._control.life is Life.DEAD

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, `timeout` seconds at most (`None` without end); return whether it came.

        Raises:
            CallCycle: if the process waits for its own end.
        """
        ended: Future[Any] = Future(self._control)
        if watch(self._control, death := DeathWatch(ended, self._control)):
            with contextlib.suppress(pykka.Timeout):
                ended.get(timeout=timeout)
            unwatch(death)
        return self.is_set()


class Inbox:
    """A process's inbox, in the form that Pykka gives it: `put` envelopes, see if it is empty."""

    __slots__ = ("_control",)

    def __init__(self, control: Control) -> None:
        self._control = control

    def put(self, envelope: Any) -> None:
        """Put a Pykka envelope into the mailbox: a call if it wants a reply, else a message."""
        if envelope.reply_to is not None:
            self._control.post(
                Call(envelope.message, envelope.reply_to, self._control, here.control)
            )
        else:
            self._control.post(Info(envelope.message))

    def get(self) -> Any:
        """Refuse: only the process itself takes mail out."""
        raise TypeError("a process's mail is taken out by the process itself")

    def empty(self) -> bool:
        """Return whether no mail waits."""
        return not self._control.mailbox
