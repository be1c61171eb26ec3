"""The event bus: what happens in a session, told to who has subscribed, as it happens.

    >>> bus = EventBus()
    >>> ref = bus.subscribe("session_1")
    >>> bus.publish("session_1", {"type": "note"})
    >>> bus.receive(ref, timeout=1.0)
    {'type': 'note'}
    >>> bus.complete("session_1")
    >>> bus.receive(ref, timeout=1.0)
    Traceback (most recent call last):
    beam.errors.StateRefused: complete: session_id='session_1'

A topic is a session, and of it all event types or some. Who subscribes gets everything that the log
stores of it from then on, once and in order; what somebody publishes beside the log; and
`complete`, when a run of it has ended. Nobody is held up by a slow subscriber: it has room for
1,000 events, unless it says otherwise; then the oldest is dropped and counted (G19). Who must not
miss any follows the session in the log instead (`SessionHandle.events`).

The bus belongs to the fleet and outlives every process. `BusFeed` is the process that feeds it from
the log, and takes out the subscriptions of processes that have died.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beam.errors import CallTimeout, InvalidInput, QueueFull, StateRefused
from beam.model.events import EVENT_TYPES
from beam.otp import Future
from beam.state.plain import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from beam.model.events import Event, EventType
    from beam.otp import Ref

__all__ = ["EventBus", "Subscription"]

ROOM = 1000
"""How many events a subscription has room for, unless said otherwise."""

# Of a fleet; one more is refused.
MOST = 10_000

_COMPLETE = object()


@dataclass(eq=False, slots=True)
class Subscription:
    """One subscription; to be used with the functions of the bus.

    Attributes:
        session_id: the topic.
        types: only events of these; all if there are none.
        room: how many events it has room for.
        owner: the process that subscribed; `None` for a thread.
        dropped: how many events there was no room for.
    """

    session_id: str
    types: frozenset[str] = frozenset()
    room: int = ROOM
    owner: Ref[Any] | None = None
    dropped: int = 0
    _queue: deque[Any] = field(default_factory=deque, repr=False)
    _waiters: deque[Future[None]] = field(default_factory=deque, repr=False)


class EventBus:
    """The subscriptions of a fleet; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._topics: dict[str, list[Subscription]] = {}
        self._count = 0
        self.position: int | None = None
        """Up to which record of the log it has been fed; `None` before the first."""

    def __len__(self) -> int:
        """Return how many subscriptions there are."""
        return self._count

    def subscribe(
        self,
        session_id: str,
        *,
        types: Collection[EventType] = (),
        room: int = ROOM,
        owner: Ref[Any] | None = None,
    ) -> Subscription:
        """Subscribe to what happens from now on.

        Args:
            session_id: the topic; that there is such a session is not checked.
            types: only events of these types; all unless given.
            room: how many events may wait, from 1.
            owner: the process that subscribes, with whose death it ends.

        Raises:
            QueueFull: the fleet has 10,000 subscriptions.
        """
        given: Any = types
        if isinstance(given, (str, bytes)) or not isinstance(given, Collection):
            raise InvalidInput("types", given, "a collection of event types")
        for kind in types:
            if kind not in EVENT_TYPES:
                raise InvalidInput("types", kind, "event types")
        if type(room) is not int or room < 1:
            raise InvalidInput("room", room, "a whole number, 1 or more")
        topic = text("session_id", session_id)
        one = Subscription(topic, frozenset(types), room, owner)
        with self._lock:
            if self._count >= MOST:
                raise QueueFull(queue="state.bus", bound=MOST)
            self._topics.setdefault(topic, []).append(one)
            self._count += 1
        return one

    def unsubscribe(self, ref: Subscription) -> None:
        """End a subscription; what it has not received is gone.

        Raises:
            StateRefused: `bad_ref`: it is none, or has ended.
        """
        with self._lock:
            self._take_out(self._checked(ref))

    def publish(self, session_id: str, event: Event | Mapping[str, Any]) -> None:
        """Tell who has subscribed to a session; it is not in the log for that.

        Args:
            session_id: the topic.
            event: what to tell; of a mapping, `type` says of which type it is.
        """
        kind = event.get("type") if hasattr(event, "get") else event.type
        with self._lock:
            for one in self._topics.get(session_id, ()):
                if not one.types or kind in one.types:
                    _put(one, event)

    def complete(self, session_id: str) -> None:
        """Tell who has subscribed to a session that it is complete for now; they stay."""
        with self._lock:
            for one in self._topics.get(session_id, ()):
                _put(one, _COMPLETE)

    def receive(self, ref: Subscription, timeout: float | None) -> Any:
        """Return the next event of a subscription.

        Args:
            ref: the subscription.
            timeout: seconds to wait; `None` without end.

        Raises:
            StateRefused: `complete`; `bad_ref`: it is no subscription, or has ended.
            CallTimeout: there was none in time.
        """
        while True:
            with self._lock:
                one = self._checked(ref)
                if one._queue:
                    found = one._queue.popleft()
                    break
                waiter: Future[None] = Future()
                one._waiters.append(waiter)
            try:
                waiter.get(timeout=timeout)
            except CallTimeout:
                with self._lock:
                    if waiter in one._waiters:
                        one._waiters.remove(waiter)
                        raise
        if found is _COMPLETE:
            raise StateRefused("complete", session_id=one.session_id)
        return found

    def topics(self) -> frozenset[str]:
        """Return the sessions to which somebody has subscribed."""
        with self._lock:
            return frozenset(self._topics)

    def owners(self) -> set[Ref[Any]]:
        """Return the processes that have subscribed."""
        with self._lock:
            found = (one.owner for ones in self._topics.values() for one in ones)
            return {owner for owner in found if owner is not None}

    def forget(self, owner: Ref[Any]) -> None:
        """End the subscriptions of a process that has died."""
        with self._lock:
            mine: Iterable[Subscription] = [
                one for ones in self._topics.values() for one in ones if one.owner == owner
            ]
            for one in mine:
                self._take_out(one)

    def _checked(self, ref: Any) -> Subscription:
        if isinstance(ref, Subscription) and ref in self._topics.get(ref.session_id, ()):
            return ref
        raise StateRefused("bad_ref", ref=repr(ref))

    def _take_out(self, one: Subscription) -> None:
        ones = self._topics[one.session_id]
        ones.remove(one)
        self._count -= 1
        if not ones:
            del self._topics[one.session_id]
        one._queue.clear()
        while one._waiters:
            one._waiters.popleft().settle(None)


def _put(one: Subscription, event: Any) -> None:
    if len(one._queue) >= one.room:
        one._queue.popleft()
        one.dropped += 1
    one._queue.append(event)
    if one._waiters:
        one._waiters.popleft().settle(None)
