"""What is kept of threads, as one finds it from outside: to read, and to change.

    >>> from beam.log import Log, MemoryStore, Shelf
    >>> from beam.model.messages import UserMessage
    >>> from beam.otp import Node
    >>> from beam.state.keeper import TableKeeper
    >>> from beam.state.store import SessionStore
    >>> with Node() as node:
    ...     _ = Log.start(Shelf(MemoryStore), name="log"), TableKeeper.start(name="keeper")
    ...     _ = SessionStore.start(name="store")
    ...     history = ThreadHistory(node)
    ...     thread = history.start_thread("s", {"thread_id": "t"})
    ...     for word in ("one", "two", "three"):
    ...         history.record_thread_message("s", "t", UserMessage(content=word))
    ...     history.rollback_thread("s", "t", {"count": 1}).visible_message_count
    2

Reading happens where the caller is, and asks nobody; changes are made by the process `store`. While
a session has an active thread, what its agent says belongs to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound, StateRefused
from beam.model.messages import Message, stamp
from beam.state import store_changes as changes
from beam.state.plain import text
from beam.state.ranges import count_outside
from beam.state.store_asking import Ask, asking, mapping, new_id
from beam.state.store_messages import Selection, base_of, listed, selection, thread_places
from beam.state.store_rows import StoreReads
from beam.state.store_selectors import count_in, name_in, selector_of
from beam.state.stored_thread import THREAD_STATUSES, StoredThread, Thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import Store
    from beam.otp import Node
    from beam.state.store_changes import Change
    from beam.state.store_state import StoreState

__all__ = ["ThreadHistory"]


class ThreadHistory:
    """The store of threads, for any thread. The functions have the specification's names.

    That there is such a session is not checked.

    Args:
        node: where the store runs.
        ask: asks it; unless given, it has to be there when it is asked.
        log: returns the log; likewise.
    """

    __slots__ = ("_ask", "_node", "_reads")

    def __init__(
        self, node: Node, ask: Ask | None = None, log: Callable[[], Store] | None = None
    ) -> None:
        self._node = node
        self._ask = ask or asking(node)
        self._reads = StoreReads(node, log)

    # Beginning and ending

    def start_thread(self, session_id: str, opts: Mapping[str, Any] | None = None) -> Thread:
        """Start a thread, in place of one of its name, and make it the active one.

        Args:
            session_id: its session.
            opts: `thread_id`, made up unless given; `name`, the id unless given; `metadata`.
        """
        thread_id, name, metadata = self._named(opts)
        started = changes.thread_started(thread_id, name, metadata or {})
        return self._after(session_id, thread_id, started)

    def fork_thread(
        self, session_id: str, thread_id: str, opts: Mapping[str, Any] | None = None
    ) -> Thread:
        """Start a thread that begins with the visible messages of another; nothing is copied.

        Args:
            session_id: the session of both.
            thread_id: the other.
            opts: as of `start_thread`; and `parent_thread_id`, the other unless given.

        Raises:
            NotFound: there is no such thread.
            AlreadyExists: there is one of the new name.
        """
        new_name, name, metadata = self._named(opts)
        parent = mapping("opts", opts).get("parent_thread_id")
        state, thread = self._state_with(session_id, thread_id)
        [*segments] = base_of(thread_places(self._reads.log, state.session, thread))
        forked = changes.thread_forked(
            thread,
            new_name,
            segments[0].ranges if segments else (),
            segments[0].count if segments else 0,
            name=name,
            metadata=metadata,
            parent=None if parent is None else text("parent_thread_id", parent),
        )
        return self._after(session_id, new_name, forked)

    def _named(
        self, opts: Mapping[str, Any] | None
    ) -> tuple[str, str | None, Mapping[str, Any] | None]:
        wanted = mapping("opts", opts)
        thread_id, name, metadata = (wanted.get(key) for key in ("thread_id", "name", "metadata"))
        if metadata is not None and not isinstance(metadata, Mapping):
            raise InvalidInput("metadata", type(metadata).__name__, "a mapping")
        return (
            new_id(self._node, "thread") if thread_id is None else text("thread_id", thread_id),
            None if name is None else text("name", name),
            metadata,
        )

    def resume_thread(self, session_id: str, thread_id: str) -> Thread:
        """Make a thread the active one again; one that was archived is so no more.

        Raises:
            NotFound: there is no such thread.
        """
        return self._changed(session_id, thread_id, activate=True, status="active", archived=False)

    def delete_thread(self, session_id: str, thread_id: str) -> None:
        """Forget a thread; one that is not known is forgotten already. Its messages stay."""
        gone = changes.thread_deleted(text("thread_id", thread_id))
        self._ask(text("session_id", session_id), gone)

    # Changing

    def archive_thread(self, session_id: str, thread_id: str) -> Thread:
        """Archive a thread; it stays the active one, if it is, and takes messages.

        Raises:
            NotFound: there is no such thread.
        """
        return self._changed(session_id, thread_id, status="archived", archived=True)

    def unarchive_thread(self, session_id: str, thread_id: str) -> Thread:
        """Have a thread archived no more; `archived_at` stays.

        Raises:
            NotFound: there is no such thread.
        """
        return self._changed(session_id, thread_id, status="active", archived=False)

    def rename_thread(self, session_id: str, thread_id: str, name: str) -> Thread:
        """Call a thread by another name.

        Raises:
            NotFound: there is no such thread.
        """
        return self._changed(session_id, thread_id, name=text("name", name))

    def update_thread_metadata(
        self, session_id: str, thread_id: str, metadata: Mapping[str, Any]
    ) -> Thread:
        """Put notes over those that a thread has, key by key.

        Raises:
            NotFound: there is no such thread.
        """
        if not isinstance(metadata, Mapping):
            raise InvalidInput("metadata", type(metadata).__name__, "a mapping")
        return self._changed(session_id, thread_id, metadata=dict(metadata))

    def rollback_thread(
        self, session_id: str, thread_id: str, selector: Mapping[str, Any]
    ) -> Thread:
        """Hide the newest messages of a thread; those that are recorded later are visible.

        Args:
            session_id: its session.
            thread_id: the thread.
            selector: `count`: how many of the visible ones to hide; else
                `visible_message_count`: how many stay visible, at most those that are; else
                `message_id` or `uuid`: the last one that stays, among the visible.

        Raises:
            NotFound: there is no such thread.
            StateRefused: `invalid_selector`.
        """
        given = selector_of(selector)
        hide, keep = count_in(given, "count"), count_in(given, "visible_message_count")
        if hide is None and keep is None:
            keep = self._kept(session_id, thread_id, given)

        def visible(thread: StoredThread) -> int:
            shown = thread.told.visible_message_count
            return max(0, shown - hide) if hide is not None else min(keep or 0, shown)

        change = changes.thread_rolled_back(text("thread_id", thread_id), visible)
        return self._after(session_id, thread_id, change)

    def _kept(self, session_id: str, thread_id: str, selector: Mapping[str, Any]) -> int:
        """Return how many visible messages there are up to the one that a selector names."""
        state, thread = self._state_with(session_id, thread_id)
        name = name_in(selector)
        for number, place in enumerate(thread_places(self._reads.log, state.session, thread)):
            if place.visible and place.has_id(name):
                return count_outside(thread.hidden, number) + 1
        raise StateRefused("invalid_selector", selector=dict(selector))

    # Reading

    def get_thread(self, session_id: str, thread_id: str) -> Thread:
        """Return what is told of a thread.

        Raises:
            NotFound: there is none of this id in the session.
        """
        return self._state_with(session_id, thread_id)[1].told

    def list_threads(self, session_id: str, opts: Mapping[str, Any] | None = None) -> list[Thread]:
        """Return what is told of a session's threads, the one that changed last first.

        Args:
            session_id: the session.
            opts: `include_archived`: False leaves out what is archived; `thread_id`, `status`:
                only those; `limit`: at most so many, from 1.
        """
        wanted = mapping("opts", opts)
        limit, status = wanted.get("limit"), wanted.get("status")
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidInput("limit", limit, "a whole number from 1")
        if status is not None and status not in THREAD_STATUSES:
            raise InvalidInput("status", status, f"one of {', '.join(THREAD_STATUSES)}")
        threads = [one.told for one in self._state(session_id).threads.values()]
        if wanted.get("include_archived") is False:
            threads = [one for one in threads if not one.archived]
        for name in ("thread_id", "status"):
            if wanted.get(name) is not None:
                threads = [one for one in threads if getattr(one, name) == wanted[name]]
        # Of those that changed in the same millisecond, the newest first.
        threads.reverse()
        threads.sort(key=lambda one: -one.updated_at)
        return threads[:limit]

    def thread_count(self, session_id: str) -> int:
        """Return how many threads a session has."""
        return len(self._state(session_id).threads)

    def get_thread_messages(
        self, session_id: str, thread_id: str, opts: Mapping[str, Any] | None = None
    ) -> list[Message]:
        """Return the messages of a thread in their order, as of `get_session_messages`.

        What a revert of the session hides, it hides here as well.

        Raises:
            NotFound: there is no such thread.
        """
        wanted: Selection = selection(mapping("opts", opts))
        state, thread = self._state_with(session_id, thread_id)
        shown = thread_places(self._reads.log, state.session, thread)
        return listed(shown, wanted, session_id=session_id, thread_id=thread_id)

    def read_thread(
        self, session_id: str, thread_id: str, opts: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return `thread`, what is told of it; and its `messages`, if `include_messages` is true.

        Raises:
            NotFound: there is no such thread.
        """
        include_messages = mapping("opts", opts).get("include_messages", False)
        if not isinstance(include_messages, bool):
            raise InvalidInput("include_messages", include_messages, "True or False")
        read: dict[str, Any] = {"thread": self.get_thread(session_id, thread_id)}
        if include_messages:
            read["messages"] = self.get_thread_messages(session_id, thread_id)
        return read

    def record_thread_message(self, session_id: str, thread_id: str, message: Message) -> None:
        """Record a message of a thread; of one that is not known, it is the session's only."""
        text("session_id", session_id)
        if not isinstance(message, Message):
            raise InvalidInput("message", message, "a message")
        now = int(self._node.clock.time() * 1000)
        said = stamp(message, timestamp=now, session_id=session_id)
        said = replace(said, thread_id=text("thread_id", thread_id))
        self._ask(session_id, changes.recorded([said]))

    # The active thread

    def active_thread(self, session_id: str) -> str:
        """Return the thread to which what is said belongs.

        Raises:
            NotFound: `none`.
        """
        active = self._state(session_id).active
        if active is None:
            raise NotFound("none", session_id=session_id)
        return active

    def set_active_thread(self, session_id: str, thread_id: str) -> None:
        """Have what is said belong to a thread; that there is such a one is not checked."""
        chosen = changes.thread_activated(text("thread_id", thread_id))
        self._ask(text("session_id", session_id), chosen)

    def clear_active_thread(self, session_id: str) -> None:
        """Have what is said belong to no thread."""
        self._ask(text("session_id", session_id), changes.thread_activated(None))

    def compact_thread(self, session_id: str, opts: Mapping[str, Any] | None = None) -> Thread:
        """Roll a thread back: the one that `opts` names, or the active one.

        Args:
            session_id: the session.
            opts: `thread_id`; and `selector`, or the keys of a selector.

        Raises:
            NotFound: there is no such thread, or none is active.
            StateRefused: `invalid_selector`.
        """
        wanted = dict(mapping("opts", opts))
        thread_id = wanted.pop("thread_id", None) or self.active_thread(session_id)
        return self.rollback_thread(session_id, thread_id, wanted.pop("selector", wanted))

    def _state(self, session_id: str) -> StoreState:
        return self._reads.state(text("session_id", session_id))

    def _state_with(self, session_id: str, thread_id: str) -> tuple[StoreState, StoredThread]:
        text("thread_id", thread_id)
        state = self._state(session_id)
        return state, changes.thread_in(state, thread_id)

    def _after(self, session_id: str, thread_id: str, change: Change) -> Thread:
        state = self._ask(text("session_id", session_id), change)
        return changes.thread_in(state, thread_id).told

    def _changed(
        self, session_id: str, thread_id: str, *, activate: bool = False, **fields: Any
    ) -> Thread:
        text("thread_id", thread_id)
        change = changes.thread_changed(thread_id, activate=activate, **fields)
        return self._after(session_id, thread_id, change)
