"""What is kept of sessions, as one finds it from outside: to read, and to change.

    >>> from beam.log import Log, MemoryStore, Shelf
    >>> from beam.model.messages import UserMessage
    >>> from beam.otp import Node
    >>> from beam.state.keeper import TableKeeper
    >>> from beam.state.store import SessionStore
    >>> with Node() as node:
    ...     _ = Log.start(Shelf(MemoryStore), name="log"), TableKeeper.start(name="keeper")
    ...     _ = SessionStore.start(name="store")
    ...     history = SessionHistory(node)
    ...     for word in ("one", "two", "three"):
    ...         history.record_message("s", UserMessage(content=word))
    ...     _ = history.revert_session("s", {"visible_message_count": 1})
    ...     history.record_message("s", UserMessage(content="four"))
    ...     [one.content for one in history.get_session_messages("s")]
    ['one', 'four']

Reading happens where the caller is, from the table and the log, and asks nobody; also looking for a
message that a selector names. What changes something asks the process `store`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound, StateRefused
from beam.model.messages import Message, stamp
from beam.state import store_changes as changes
from beam.state.plain import plain_copy, text
from beam.state.store_asking import Ask, asking, mapping, new_id
from beam.state.store_messages import base_of, found, listed, places, selection
from beam.state.store_rows import StoreReads
from beam.state.store_selectors import count_in, name_in, selector_of
from beam.state.store_summary import derived
from beam.state.stored_session import Segment, SessionMeta, StoredSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from beam.log import Store
    from beam.otp import Node
    from beam.state.store_changes import Change
    from beam.state.store_state import StoreState

__all__ = ["SessionHistory"]


class SessionHistory:
    """The store of sessions, for any thread. The functions have the specification's names.

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

    # What is known

    def register_session(self, session_id: str, meta: Mapping[str, Any]) -> None:
        """Enter a session; one that is known stays as it is.

        Args:
            session_id: its name.
            meta: `adapter`, `model`, `cwd`, `extra`, and `created_at` in Unix milliseconds.
        """
        self._ask(text("session_id", session_id), changes.registered(meta))

    def update_session(self, session_id: str, meta: Mapping[str, Any]) -> None:
        """Put `adapter`, `model`, `cwd` or keys of `extra` in place of what was told."""
        self._ask(text("session_id", session_id), changes.updated(meta))

    def get_session(self, session_id: str) -> SessionMeta:
        """Return what is told of a session.

        Raises:
            NotFound: there is none of this id.
        """
        return self._session(session_id).meta

    def delete_session(self, session_id: str) -> None:
        """Forget a session and its messages; one that is not known is forgotten already.

        Its threads and what else is kept of it stay; the log keeps everything.
        """
        self._ask(text("session_id", session_id), changes.deleted())

    def list_sessions(self, opts: Mapping[str, Any] | None = None) -> list[SessionMeta]:
        """Return what is told of sessions, the one that changed last first.

        Args:
            opts: `adapter`, `cwd`, `model`: only those of exactly this; `since`: only those that
                changed then or later, in Unix milliseconds; `limit`: at most so many, from 1.
                Others say nothing.
        """
        wanted = mapping("opts", opts)
        since, limit = wanted.get("since"), wanted.get("limit")
        if since is not None and type(since) is not int:
            raise InvalidInput("since", since, "Unix milliseconds")
        if limit is not None and (type(limit) is not int or limit < 1):
            raise InvalidInput("limit", limit, "a whole number from 1")
        metas = [one.session.meta for one in self._reads.states().values() if one.session]
        for name in ("adapter", "cwd", "model"):
            if wanted.get(name) is not None:
                metas = [one for one in metas if getattr(one, name) == wanted[name]]
        if since is not None:
            metas = [one for one in metas if one.updated_at >= since]
        metas.sort(key=lambda one: (-one.updated_at, one.session_id))
        return metas[:limit]

    def session_count(self) -> int:
        """Return how many sessions there are."""
        return sum(one.session is not None for one in self._reads.states().values())

    # Messages

    def record_message(self, session_id: str, message: Message) -> None:
        """Record a message of a session, known or not; it belongs to the thread that it names."""
        self.record_messages(session_id, [message])

    def record_messages(self, session_id: str, messages: Sequence[Message]) -> None:
        """Record messages, all or none, in their order."""
        text("session_id", session_id)
        if not isinstance(messages, Sequence):
            raise InvalidInput("messages", type(messages).__name__, "a list of messages")
        for index, one in enumerate(messages):
            if not isinstance(one, Message):
                raise InvalidInput(f"messages[{index}]", one, "a message")
        now = int(self._node.clock.time() * 1000)
        said = [stamp(one, timestamp=now, session_id=session_id) for one in messages]
        self._ask(session_id, changes.recorded(said))

    def get_session_messages(
        self, session_id: str, opts: Mapping[str, Any] | None = None
    ) -> list[Message]:
        """Return the messages of a session in their order.

        Args:
            session_id: the session.
            opts: `types`: only these; `offset`: how many of those to leave out, `limit`: at most
                so many of the others; `include_hidden`: those as well that a revert hides.

        Raises:
            NotFound: there is no such session.
        """
        wanted = selection(mapping("opts", opts))
        session = self._session(session_id)
        return listed(places(self._reads.log, session), wanted, session_id=session_id)

    def message_count(self, session_id: str) -> int:
        """Return how many messages a session has, hidden ones as well; 0 if it is not known."""
        session = self._reads.state(text("session_id", session_id)).session
        return 0 if session is None else session.meta.message_count

    # Views

    def fork_session(self, session_id: str, opts: Mapping[str, Any] | None = None) -> SessionMeta:
        """Enter a session that begins with the messages of another; nothing is copied.

        Args:
            session_id: the other; what hides some of its messages, and who it is shared with, is
                not taken over.
            opts: `session_id`: the name of the new one, made up unless given; `include_hidden`:
                False for only those that are visible; `extra`: put over the notes of the other.

        Raises:
            NotFound: there is no such session.
            AlreadyExists: there is one of the new name.
        """
        wanted = mapping("opts", opts)
        include_hidden = wanted.get("include_hidden", True)
        if not isinstance(include_hidden, bool):
            raise InvalidInput("include_hidden", include_hidden, "True or False")
        name = wanted.get("session_id")
        name = new_id(self._node, "forked_session") if name is None else name
        forked_id = text("session_id", name)
        state = self._reads.state(text("session_id", session_id))
        session = changes.session_in(state)
        base = _whole(state, session) if include_hidden else self._visible(session)
        forked = changes.forked(session, base, wanted.get("extra") or {})
        return changes.session_in(self._ask(forked_id, forked)).meta

    def _visible(self, session: StoredSession) -> tuple[Segment, ...]:
        return base_of(places(self._reads.log, session))

    def revert_session(self, session_id: str, selector: Mapping[str, Any]) -> SessionMeta:
        """Hide the messages behind a boundary; those that are recorded later are visible.

        Args:
            session_id: the session.
            selector: `visible_message_count`: how many of all messages are before the boundary, at
                most as many as there are; else `message_id` or `uuid`: the last one before it, by
                either of its names.

        Raises:
            NotFound: there is no such session.
            StateRefused: `invalid_selector`: it names no message.
        """
        session = self._session(session_id)
        given = selector_of(selector)
        count = self._boundary(session, given)
        state = self._ask(session_id, changes.reverted(count, given, session.after))
        return changes.session_in(state).meta

    def _boundary(self, session: StoredSession, selector: Mapping[str, Any]) -> int:
        count = count_in(selector, "visible_message_count")
        if count is not None:
            return min(count, session.meta.message_count)
        place = found(places(self._reads.log, session), name_in(selector))
        if place is None:
            raise StateRefused("invalid_selector", selector=dict(selector))
        return place.number + 1

    def unrevert_session(self, session_id: str) -> SessionMeta:
        """Show all messages of a session again, also if none was hidden.

        Raises:
            NotFound: there is no such session.
        """
        return self._meta_after(session_id, changes.unreverted())

    def share_session(
        self, session_id: str, opts: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Share a session, in place of a share that it had; return the share.

        Args:
            session_id: the session.
            opts: `share_id`: the share's name, made up unless given.

        Raises:
            NotFound: there is no such session.
        """
        name = mapping("opts", opts).get("share_id")
        share_id = new_id(self._node, "share") if name is None else text("share_id", name)
        return self._note_after(session_id, changes.shared(share_id), "share")

    def unshare_session(self, session_id: str) -> None:
        """Revoke the share of a session; one that was revoked is so already.

        Raises:
            NotFound: there is no such session, or it was never shared.
        """
        self._ask(text("session_id", session_id), changes.unshared())

    def get_share(self, session_id: str) -> Mapping[str, Any]:
        """Return the share of a session, also a revoked one.

        Raises:
            NotFound: there is no such session, or it was never shared.
        """
        return self._note(session_id, "share")

    def summarize_session(
        self, session_id: str, opts: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Keep a summary of the visible messages, in place of one that there was; return it.

        Args:
            session_id: the session.
            opts: `content` or `summary`: what it says, else it is made without any model;
                `generated_by`: who says so.

        Raises:
            NotFound: there is no such session.
        """
        wanted = mapping("opts", opts)
        author = text("generated_by", wanted.get("generated_by", "beam_agent_core"))
        given = [wanted.get("content"), wanted.get("summary")]
        for one in given:
            if one is not None and not isinstance(one, str):
                raise InvalidInput("content", one, "text")
        session = self._session(session_id)
        content = next((one for one in given if one), None)
        if content is None:
            content = derived(self.get_session_messages(session_id))
        summary = {
            "session_id": session_id,
            "content": content,
            "message_count": session.visible_count,
            "generated_by": author,
        }
        return self._note_after(session_id, changes.summarized(summary), "summary")

    def get_summary(self, session_id: str) -> Mapping[str, Any]:
        """Return the summary of a session.

        Raises:
            NotFound: there is no such session, or no summary of it.
        """
        return self._note(session_id, "summary")

    def _session(self, session_id: str) -> StoredSession:
        return changes.session_in(self._reads.state(text("session_id", session_id)))

    def _meta_after(self, session_id: str, change: Change) -> SessionMeta:
        return changes.session_in(self._ask(text("session_id", session_id), change)).meta

    def _note_after(self, session_id: str, change: Change, key: str) -> Mapping[str, Any]:
        noted: Mapping[str, Any] = plain_copy(key, self._meta_after(session_id, change).extra[key])
        return noted

    def _note(self, session_id: str, key: str) -> Mapping[str, Any]:
        extra = self._session(session_id).meta.extra
        if key not in extra:
            raise NotFound(session_id=session_id, **{key: None})
        noted: Mapping[str, Any] = plain_copy(key, extra[key])
        return noted


def _whole(state: StoreState, session: StoredSession) -> tuple[Segment, ...]:
    """Return all messages of a session as what a fork begins with."""
    own = session.meta.message_count - sum(one.count for one in session.base)
    if not own:
        return session.base
    ranges = ((session.after + 1, state.sequence + 1),)
    return (*session.base, Segment(state.session_id, ranges, own))
