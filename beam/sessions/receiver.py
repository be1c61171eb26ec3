"""Receiving: a run's messages one by one, each call for itself.

    run = session.send_query("Fix the failing test")
    while True:
        try:
            message = session.receive_message(run, timeout=60)
        except SessionRefused as end:
            break  # `complete`

For who would rather call than iterate. It is a stream (`beam.sessions.stream`) that the run holds,
so all who receive by this door share one place in it, and no message is given out twice.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from beam.errors import RunFailed, SessionRefused
from beam.sessions.stream import MessageStream

if TYPE_CHECKING:
    from beam.model.messages import Message
    from beam.sessions.claims import Claims
    from beam.sessions.run import Run

__all__ = ["Receiver"]


class Receiver:
    """The one place in a run's messages up to which they were received.

    Args:
        run: whose messages.
        claims: who receives which run.
    """

    def __init__(self, run: Run, claims: Claims) -> None:
        self._run = run
        self._stream = MessageStream(run, claims)
        self._busy = threading.Lock()

    def receive(self, timeout: float | None) -> Message:
        """Return the next message; how the run ended is told once, and then that it is complete.

        Raises:
            SessionRefused: `complete`; there is none any more. `receiver_taken`; another thread
                waits for the next one.
            RunFailed, Interrupted: the run ended like that, after its last message.
            CallTimeout: none has come within `timeout` seconds.
        """
        if not self._busy.acquire(blocking=False):
            raise SessionRefused("receiver_taken", run_id=self._run.run_id)
        try:
            return self._stream.next_message(timeout)
        except StopIteration:
            raise SessionRefused("complete", run_id=self._run.run_id) from None
        except RunFailed:
            self._stream.told()
            raise
        finally:
            self._busy.release()
