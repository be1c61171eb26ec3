"""The part of `control` with reviews and realtime exchanges, by session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound, QueueFull
from beam.model.events import FLEET, message_data
from beam.model.messages import SystemMessage, stamp
from beam.otp import noreply
from beam.state.answering import refuse, reply
from beam.state.control_event import SOURCE
from beam.state.control_part import ControlPart, json_data
from beam.state.plain import text
from beam.state.realtime import Realtime
from beam.state.review import Review
from beam.state.writes import Step, Write

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import StoredRecord
    from beam.model.events import Event, EventType
    from beam.model.messages import Message

    Kept = Review | Realtime

__all__ = ["COLLABORATION_TYPES", "CollaborationCalls", "after_collaboration"]

COLLABORATION_TYPES: tuple[EventType, ...] = (
    "review_changed",
    "realtime_started",
    "realtime_appended",
    "realtime_stopped",
    "collaboration_cleared",
)
"""The events of collaboration."""

# Of each kind, in each session; one that is over makes room, else one more is refused (G19).
MOST = 1000


class CollaborationCalls(ControlPart):
    """Reviews and realtime exchanges. Each change is told in the thread that it is about."""

    def start_review(self, session_id: str, thread_id: str, params: Mapping[str, Any]) -> Any:
        """Begin a review of a thread; answered with the `Review`.

        Args:
            session_id: the session.
            thread_id: the thread; that there is one is not checked.
            params: see `Review.of`.

        Raises:
            InvalidInput: a param is not what it must be.
            QueueFull: 1,000 reviews of the session are open.
        """
        params = _data("params", params)

        def change(_: Mapping[str, Any], at: int) -> tuple[Kept, Event]:
            review = Review.of(
                params,
                session_id=session_id,
                thread_id=text("thread_id", thread_id),
                review_id=self._name("review"),
                at=at,
            )
            return review, self._review_event(review)

        return self._collaborate("reviews", session_id, change, "review_started")

    def advance_review(
        self, session_id: str, review_id: str, stage: str, more: Mapping[str, Any]
    ) -> Any:
        """Bring a review to a later stage, or more into the same; answered with the `Review`.

        Raises:
            NotFound: there is no such review.
            StateRefused: `invalid_status_transition`.
            InvalidInput: see `Review.advanced`.
        """
        more = _data("more", more)

        def change(known: Mapping[str, Any], at: int) -> tuple[Kept, Event]:
            review = _of(known, "review_id", review_id).advanced(stage, more, at=at)
            return review, self._review_event(review)

        return self._collaborate("reviews", session_id, change, "review_advanced")

    def close_review(self, session_id: str, review_id: str, more: Mapping[str, Any]) -> Any:
        """End a review; answered with the `Review`.

        Raises:
            NotFound: there is no such review.
            StateRefused: `invalid_status_transition`: it is closed already.
        """
        more = _data("more", more)

        def change(known: Mapping[str, Any], at: int) -> tuple[Kept, Event]:
            review = _of(known, "review_id", review_id).closed(more, at=at)
            return review, self._review_event(review)

        return self._collaborate("reviews", session_id, change, "review_closed")

    def start_realtime(self, session_id: str, thread_id: str, params: Mapping[str, Any]) -> Any:
        """Begin a realtime exchange in a thread, in place of any there; answered with it.

        Args:
            session_id: the session.
            thread_id: the thread; that there is one is not checked.
            params: see `Realtime.of`.

        Raises:
            InvalidInput: a param is not what it must be.
            QueueFull: 1,000 exchanges of the session are active.
        """
        params = _data("params", params)

        def change(_: Mapping[str, Any], at: int) -> tuple[Kept, Event]:
            exchange = Realtime.of(
                params,
                session_id=session_id,
                thread_id=text("thread_id", thread_id),
                realtime_id=self._name("realtime"),
                at=at,
            )
            data = exchange.as_data()
            event = self._journal.event("realtime_started", session_id, realtime=data)
            return exchange, event

        return self._collaborate("realtime", session_id, change, "thread_realtime_started")

    def append_realtime_text(self, session_id: str, thread_id: str, said: str) -> Any:
        """Send a text into an exchange; answered with it.

        Raises:
            NotFound: there is no exchange in the thread.
            StateRefused: `not_active`: it has been stopped.
        """
        if not isinstance(said, str):
            raise InvalidInput("text", said, "a text")

        def change(known: Mapping[str, Any], at: int) -> tuple[Kept, Event]:
            exchange = _of(known, "thread_id", thread_id).with_text(said, at=at)
            return exchange, self._realtime_event("realtime_appended", exchange, text=said)

        told = "thread_realtime_text_appended"
        return self._collaborate("realtime", session_id, change, told, said)

    def append_realtime_audio(
        self, session_id: str, thread_id: str, audio: Mapping[str, Any]
    ) -> Any:
        """Send a piece of audio into an exchange, by what it is and where; answered with it.

        Raises:
            NotFound: there is no exchange in the thread.
            StateRefused: `not_active`: it has been stopped.
        """
        audio = _data("audio", audio)

        def change(known: Mapping[str, Any], at: int) -> tuple[Kept, Event]:
            exchange = _of(known, "thread_id", thread_id).with_audio(audio, at=at)
            kept = exchange.last_audio
            return exchange, self._realtime_event("realtime_appended", exchange, audio=kept)

        return self._collaborate("realtime", session_id, change, "thread_realtime_audio_appended")

    def stop_realtime(self, session_id: str, thread_id: str) -> Any:
        """End an exchange; answered with it. Again changes nothing.

        Raises:
            NotFound: there is no exchange in the thread.
        """

        def change(known: Mapping[str, Any], at: int) -> tuple[Kept, Event | None]:
            before: Realtime = _of(known, "thread_id", thread_id)
            exchange = before.stopped(at=at)
            if exchange is before:
                return before, None
            return exchange, self._realtime_event("realtime_stopped", exchange)

        return self._collaborate("realtime", session_id, change, "thread_realtime_stopped")

    def clear_collaboration(self) -> Any:
        """Forget the reviews and exchanges of all sessions."""
        caller = self.caller

        def change() -> Step:
            return Step((self._journal.event("collaboration_cleared", FLEET),), take)

        def take(_: list[StoredRecord]) -> None:
            for kind, name in self._rows.names("reviews", "realtime"):
                self._rows.drop(kind, name)
            reply(caller)

        self._writes.submit_alone(Write(change, lambda error: refuse(caller, error)))
        return noreply

    # What these are made of

    def _collaborate(
        self,
        kind: str,
        session_id: str,
        change: Callable[[Mapping[str, Any], int], tuple[Kept, Event | None]],
        subtype: str,
        content: str = "",
    ) -> Any:
        caller = self.caller

        def step() -> Step:
            known, at = self._rows.collaboration(kind, session_id), self._journal.now()
            one, event = change(known, at)
            if event is None:
                return Step((), lambda _: reply(caller, one))
            kept = with_room(known, one)

            def take(stored: list[StoredRecord]) -> None:
                self._rows.put_stored(kind, session_id, kept, stored)
                reply(caller, one)

            return Step((event, self._told_in_thread(one, subtype, content, at)), take)

        key = (kind, text("session_id", session_id))
        self._writes.submit(key, Write(step, lambda error: refuse(caller, error)))
        return noreply

    def _told_in_thread(self, one: Kept, subtype: str, content: str, at: int) -> Event:
        name = "review_id" if isinstance(one, Review) else "realtime_id"
        message: Message = SystemMessage(
            content=content or subtype,
            subtype=subtype,
            thread_id=one.thread_id,
            system_info={name: getattr(one, name), "source": SOURCE},
        )
        message = stamp(message, timestamp=at, session_id=one.session_id)
        return self._journal.event("message", one.session_id, **message_data(message))

    def _review_event(self, review: Review) -> Event:
        return self._journal.event("review_changed", review.session_id, review=review.as_data())

    def _realtime_event(self, kind: EventType, exchange: Realtime, **more: Any) -> Event:
        return self._journal.event(
            kind, exchange.session_id, thread_id=exchange.thread_id, at=exchange.updated_at, **more
        )

    def _name(self, what: str) -> str:
        return f"{what}_{self.node.clock.random.randbytes(8).hex()}"


def with_room(known: Mapping[str, Any], one: Kept) -> dict[str, Any]:
    """Return what a session has of a kind with one more, or with one changed.

    Raises:
        QueueFull: there are so many that are not over.
    """
    name = one.review_id if isinstance(one, Review) else one.thread_id
    others = dict(known)
    if name not in known and len(others) >= MOST:
        over = next((key for key, kept in others.items() if kept.status != "active"), None)
        if over is None:
            raise QueueFull(queue="state.collaboration", session_id=one.session_id, bound=MOST)
        del others[over]
    return {**others, name: one}


def after_collaboration(known: Mapping[str, Any], event: Event) -> dict[str, Any]:
    """Return what a session has of a kind after an event of it in the log."""
    data = event.data
    if event.type == "review_changed":
        return with_room(known, Review.from_data(data["review"]))
    if event.type == "realtime_started":
        return with_room(known, Realtime.from_data(data["realtime"]))
    exchange: Realtime | None = known.get(data["thread_id"])
    if exchange is None or exchange.status != "active":
        return dict(known)
    at = int(data["at"])
    if event.type == "realtime_stopped":
        return with_room(known, exchange.stopped(at=at))
    if "audio" in data:
        return with_room(known, exchange.with_audio(data["audio"], at=at))
    return with_room(known, exchange.with_text(data["text"], at=at))


def _of(known: Mapping[str, Any], key: str, name: str) -> Any:
    found = known.get(text(key, name))
    if found is None:
        raise NotFound(**{key: name})
    return found


def _data(field: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise InvalidInput(field, given, "a mapping")
    data: dict[str, Any] = json_data(field, dict(given))
    return data
