"""Realtime: text and audio that somebody sends into a thread while it goes on.

    >>> rt = Realtime.of({}, session_id="s", thread_id="t", realtime_id="rt", at=10)
    >>> rt = rt.with_text("Hello", at=20).with_audio({"mime": "audio/wav", "size": 9}, at=30)
    >>> rt.input_summary, rt.event_count, rt.last_text
    ({'text_chunks': 1, 'audio_chunks': 1}, 3, 'Hello')
    >>> rt.stopped(at=40).with_text("Anybody?", at=50)
    Traceback (most recent call last):
    beam.errors.StateRefused: not_active: thread_id='t', status='stopped'

Of audio only what it is and where is kept, not the sound. Of what was sent, and of what is told of
it, the newest 1,000 are kept (G19); the counts count all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from beam.errors import InvalidInput, StateRefused
from beam.state.control_event import SOURCE

__all__ = ["Realtime"]

# The newest inputs and output events that are kept.
KEPT = 1000

_TRANSPORT = ("codec", "sample_rate", "sample_rate_hz", "channels", "language")
_AUDIO = ("mime", "path", "size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Realtime:
    """One exchange; each change returns the next.

    Attributes:
        realtime_id: its name.
        session_id: the session.
        thread_id: the thread; a session has one exchange in each.
        backend: the session's, if it is known.
        transport: how it gets here.
        mode: `text`, `voice`, ...
        status: `stopped` once it is over.
        source: where it comes from.
        started_at, updated_at, stopped_at: Unix milliseconds.
        params: what it was begun with.
        transport_metadata: how its audio is made.
        inputs: the newest of what was sent, numbered.
        event_count: how much has happened, from the start on.
        input_summary: how much was sent.
        output_events: the newest of what is told of it, numbered.
        last_text: the text sent last.
        last_audio: the audio sent last.
    """

    realtime_id: str
    session_id: str
    thread_id: str
    started_at: int
    updated_at: int
    backend: str | None = None
    transport: str = SOURCE
    mode: str = "text"
    status: Literal["active", "stopped"] = "active"
    source: str = SOURCE
    stopped_at: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    transport_metadata: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Mapping[str, Any], ...] = ()
    event_count: int = 0
    input_summary: Mapping[str, int] = field(
        default_factory=lambda: {"text_chunks": 0, "audio_chunks": 0}
    )
    output_events: tuple[Mapping[str, Any], ...] = ()
    last_text: str | None = None
    last_audio: Mapping[str, Any] | None = None

    @property
    def voice_enabled(self) -> bool:
        """Whether somebody speaks."""
        return self.mode == "voice"

    @classmethod
    def of(
        cls,
        params: Mapping[str, Any],
        *,
        session_id: str,
        thread_id: str,
        realtime_id: str,
        at: int,
    ) -> Realtime:
        """Return an exchange that begins now.

        Args:
            params: JSON data: `backend`, `transport`, `mode`, `codec`, `sample_rate`,
                `sample_rate_hz`, `channels`, `language` and `transport_metadata`, if given.
            session_id: the session.
            thread_id: the thread.
            realtime_id: its name, unless `params` has one.
            at: Unix milliseconds.

        Raises:
            InvalidInput: a field is not what it must be.
        """
        named = {
            "realtime_id": params.get("realtime_id", realtime_id),
            "transport": params.get("transport", SOURCE),
            "mode": params.get("mode", "text"),
        }
        for key, value in named.items():
            if not (isinstance(value, str) and value):
                raise InvalidInput(key, value, "a non-empty text")
        metadata = params.get("transport_metadata", {})
        if not isinstance(metadata, Mapping):
            raise InvalidInput("transport_metadata", metadata, "a mapping")
        known = {key: params[key] for key in _TRANSPORT if key in params}
        exchange = cls(
            **named,
            session_id=session_id,
            thread_id=thread_id,
            backend=params.get("backend"),
            started_at=at,
            updated_at=at,
            params=params,
            transport_metadata={**known, **metadata},
        )
        return exchange._told("realtime_started", at)

    def with_text(self, text: str, *, at: int) -> Realtime:
        """Take a text.

        Raises:
            StateRefused: `not_active`: it has been stopped.
        """
        exchange = self._with_input("text", text, at)
        return replace(exchange, last_text=text)._told("realtime_text_appended", at)

    def with_audio(self, audio: Mapping[str, Any], *, at: int) -> Realtime:
        """Take a piece of audio: its `mime`, `path` and `size`.

        Raises:
            StateRefused: `not_active`: it has been stopped.
        """
        kept = {key: audio[key] for key in _AUDIO if key in audio}
        exchange = self._with_input("audio", kept, at)
        return replace(exchange, last_audio=kept)._told("realtime_audio_appended", at)

    def stopped(self, *, at: int) -> Realtime:
        """End it; again changes nothing."""
        if self.status == "stopped":
            return self
        stopped = replace(self, status="stopped", stopped_at=at)
        return stopped._told("realtime_stopped", at)

    def as_data(self) -> dict[str, Any]:
        """Return the exchange as JSON data; `from_data` reads it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Realtime:
        """Return the exchange that `as_data` made the data of."""
        lists = {name: tuple(data[name]) for name in ("inputs", "output_events")}
        return cls(**{**data, **lists})

    def _with_input(self, kind: Literal["text", "audio"], payload: Any, at: int) -> Realtime:
        if self.status != "active":
            raise StateRefused("not_active", thread_id=self.thread_id, status=self.status)
        count = {**self.input_summary}
        count[f"{kind}_chunks"] += 1
        sequence = sum(count.values())
        one = {"type": kind, "payload": payload, "sequence": sequence, "timestamp": at}
        return replace(self, inputs=(*self.inputs, one)[-KEPT:], input_summary=count)

    def _told(self, event_type: str, at: int) -> Realtime:
        number = self.event_count + 1
        told = {"type": event_type, "seq": number, "timestamp": at}
        events = (*self.output_events, told)[-KEPT:]
        return replace(self, event_count=number, output_events=events, updated_at=at)
