"""`BusFeed`: the process that feeds the event bus from the log; see `beam.state.bus`.

It listens to the log. When it starts again, with the log or after its own death, it first tells
what was stored meanwhile, so that nobody who is subscribed misses anything, or gets it twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput
from beam.log import replay, store_of
from beam.otp import Down, Server, monitor
from beam.state.bus import EventBus
from beam.state.journal import event_of
from beam.state.run_events import ENDS

if TYPE_CHECKING:
    from beam.log import Listener, Store, StoredRecord
    from beam.otp import Ref

__all__ = ["BUS", "BusFeed", "WatchOwner"]

BUS = "bus"
"""The name of the process."""


@dataclass(frozen=True, slots=True)
class WatchOwner:
    """Mail to the process: somebody has subscribed whose death is to be heard of."""

    owner: Ref[Any]


@dataclass(frozen=True, slots=True)
class _Fresh:
    """Mail to the process: new records."""

    records: tuple[StoredRecord, ...]


class BusFeed(Server):
    """The process `bus`."""

    trap_exit = True

    def init(self, bus: EventBus) -> None:
        """Listen, and tell what was stored since it last did.

        Args:
            bus: the fleet's.
        """
        if not isinstance(bus, EventBus):
            raise InvalidInput("bus", bus, "an EventBus")
        self._bus = bus
        self._watched: set[Ref[Any]] = set()
        for owner in bus.owners():
            self._watch(owner)
        store = store_of(self.node)
        self._listener = _listen(store, self.actor_ref, bus)
        until = self._listener.since
        if bus.position is not None:
            for stored in replay(store, after_position=bus.position):
                if stored.position > until:
                    break
                self._take(stored)
        bus.position = max(until, bus.position or 0)

    def handle_cast(self, message: Any) -> None:
        """Tell what is new, and watch who has subscribed."""
        match message:
            case _Fresh():
                for stored in message.records:
                    self._take(stored)
            case WatchOwner():
                self._watch(message.owner)
            case _:
                super().handle_cast(message)

    def handle_info(self, message: Any) -> None:
        """End the subscriptions of processes that have died."""
        if isinstance(message, Down):
            self._watched.discard(message.process)
            self._bus.forget(message.process)

    def terminate(self, reason: Any) -> None:
        """Listen no more."""
        self._listener.cancel()

    def _watch(self, owner: Ref[Any]) -> None:
        if owner not in self._watched:
            self._watched.add(owner)
            monitor(owner)

    def _take(self, stored: StoredRecord) -> None:
        if stored.position <= (self._bus.position or 0):
            return
        self._bus.position = stored.position
        if stored.stream in self._bus.topics():
            event = event_of(stored)
            self._bus.publish(event.session_id, event)
            if event.type in ENDS:
                self._bus.complete(event.session_id)


def _listen(store: Store, feed: Ref[Any], bus: EventBus) -> Listener:
    """Have new records cast to the process as long as it lives."""
    listener: Listener | None = None

    def tell(records: tuple[StoredRecord, ...]) -> None:
        if not feed.is_alive():
            if listener is not None:
                listener.cancel()  # It was killed, and could not take its listener back.
        elif len(bus):
            feed.cast(_Fresh(records))
        elif records:
            bus.position = max(bus.position or 0, records[-1].position)  # Nobody is to be told.

    listener = store.on_append(tell)
    return listener
