"""`Recorder`: the process that writes the recordings of a fleet's sessions, from the log.

It listens to the log only while somebody is recorded, and a listener tells it no more than that
there is news; what that is, it reads. So one message at most waits for it, whatever is stored
meanwhile, and one that starts again, with the log or after its own death, goes on where the files
end. A file that cannot be written is tried again later: the log has what it lacks.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, Refused, StoreError
from beam.otp import Backoff, Server
from beam.sessions.reports import session_report
from beam.state.journal import Journal

if TYPE_CHECKING:
    from beam.log import Listener, Store, StoredRecord
    from beam.otp import Call, Ref
    from beam.sessions.recording import Recording, Recordings
    from beam.sessions.roster import Roster

__all__ = ["RECORDER", "Finish", "News", "Recorder"]

RECORDER = "recorder"
"""The name of the process."""

# Seconds until a file is tried again that could not be written.
AGAIN = Backoff(0.1, 10.0)


@dataclass(frozen=True, slots=True)
class News:
    """Mail to the process: there may be more to write than there was."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Call: answered when all that the log has of a session is in its recording."""

    session_id: str


class Recorder(Server):
    """The process `recorder`.

    Args (of `start`):
        recordings: the fleet's.
        roster: says which sessions have not ended.
    """

    trap_exit = True

    def init(self, recordings: Recordings, roster: Roster) -> None:
        """Begin with what a former life left undone, if anybody is recorded."""
        self._recordings = recordings
        self._roster = roster
        self._journal = Journal.of(self.node)
        self._listener: Listener | None = None
        # Bounded by the recordings.
        self._failures: dict[str, int] = {}
        self._will_try = False
        self.continue_with("look")

    def handle_continue(self, message: Any) -> None:
        """Look at all that are recorded."""
        self._look_at_all()

    def handle_cast(self, message: Any) -> None:
        """Write what is new."""
        if not isinstance(message, News):
            super().handle_cast(message)
            return
        if self._listener is None:
            self._look_at_all()
        else:
            self._write_news()

    def handle_call(self, message: Any, caller: Call) -> Any:
        """Bring one recording up to the log's end."""
        if not isinstance(message, Finish):
            raise Refused("unknown_request", request=repr(message))
        recording = self._recordings.get(message.session_id)
        if recording is not None:
            while self._write(recording):
                continue
        return None

    def handle_info(self, message: Any) -> None:
        """Try again what could not be written; exits of others than the parent do not count."""
        if isinstance(message, News):
            self._will_try = False
            self._look_at_all()

    def terminate(self, reason: Any) -> None:
        """Write what the log has by now; whoever writes into it but its owner has ended before."""
        self._listen_no_more()
        if not len(self._recordings):
            return
        with contextlib.suppress(StoreError):
            # Those who write have ended, but their last appends may still be on their way.
            self._journal.settle()
        self._recordings.touch_all()
        for recording in self._recordings.take():
            while self._write(recording, again=False):
                continue

    def _look_at_all(self) -> None:
        if len(self._recordings):
            if self._listener is None:
                self._listener = _listen(self._journal.store, self.actor_ref, self._recordings)
            self._recordings.touch_all()
            self._write_news()

    def _write_news(self) -> None:
        unfinished = [one for one in self._recordings.take() if self._write(one)]
        # Each has its turn, and so has a stop in between, however long a session is.
        if self._recordings.touch(one.session_id for one in unfinished):
            self.actor_ref.cast(News())

    def _write(self, recording: Recording, *, again: bool = True) -> bool:
        """Write a page of a session; return whether there is more."""
        session_id = recording.session_id
        try:
            more = recording.catch_up(self._journal.store)
        except StoreError:
            return False  # The log is being restarted, and this process with it.
        except (OSError, InvalidInput) as error:
            self._failed(session_id, error, again=again)
            return False
        self._failures.pop(session_id, None)
        if not more and recording.last_type == "session_stopped" and self._is_over(session_id):
            self._recordings.end(session_id)
            if not len(self._recordings):
                self._listen_no_more()
        return more

    def _is_over(self, session_id: str) -> bool:
        return self._roster.spec(session_id) is None

    def _failed(self, session_id: str, error: Exception, *, again: bool) -> None:
        failures = self._failures[session_id] = self._failures.get(session_id, 0) + 1
        if failures == 1 or not again:
            session_report("recording_failed", session_id, reason=str(error))
        if again and not self._will_try:
            self._will_try = True
            self.send_after(AGAIN.delay(failures, 0.5), News())

    def _listen_no_more(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None


def _listen(store: Store, recorder: Ref[Any], recordings: Recordings) -> Listener:
    """Have news of recorded sessions cast to the process as long as it lives."""
    listener: Listener | None = None

    def tell(records: tuple[StoredRecord, ...]) -> None:
        if not recorder.is_alive():
            if listener is not None:
                listener.cancel()  # It was killed, and could not take its listener back.
        elif recordings.touch(record.stream for record in records):
            recorder.cast(News())

    listener = store.on_append(tell)
    return listener
