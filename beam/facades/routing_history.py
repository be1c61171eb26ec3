"""The part of `fleet.router` with what is kept of sessions, whether they live or not."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, RoutingRefused
from beam.facades.histories import Histories
from beam.facades.part import SessionLike, id_of

if TYPE_CHECKING:
    from beam.model.messages import Message
    from beam.state.stored_session import SessionMeta

__all__ = ["HistoryFunctions"]


class HistoryFunctions(Histories):
    """Stored sessions: their list, their messages, forks, views, shares and summaries.

    They read the log where they are called, so they see all that was acknowledged before. Each may
    raise:

    Raises:
        NotFound: there is no such session in the store; `restarting`.
        InvalidInput: an argument is not what it must be; nothing has changed.
    """

    __slots__ = ()

    def list_sessions(self, *, opts: Mapping[str, Any] | None = None) -> list[SessionMeta]:
        """Return what is told of the stored sessions, the one that changed last first.

        Args:
            opts: `backend`: only those on it, by its name or an alias; one that is not configured
                says nothing. `adapter`, `cwd`, `model`: only those of exactly this. `since`: only
                those that changed then or later, Unix milliseconds. `limit`: at most so many, from
                1. Others say nothing.
        """
        if opts is not None and not isinstance(opts, Mapping):
            raise InvalidInput("opts", type(opts).__name__, "a mapping")
        wanted = dict(opts or {})
        backend = wanted.pop("backend", None)
        if backend is not None:
            # As the specification has it: an unknown filter filters nothing.
            with contextlib.suppress(RoutingRefused):
                wanted["adapter"] = self._grounds.routes.resolve(backend)
        return self._sessions.list_sessions(wanted)

    def get_session_messages(
        self, session_id: SessionLike, *, opts: Mapping[str, Any] | None = None
    ) -> list[Message]:
        """Return the messages of a session in their order.

        Args:
            session_id: the session.
            opts: `types`: only these; of those leave out `offset` and return at most `limit`;
                `include_hidden`: those as well that a revert hides.
        """
        return self._sessions.get_session_messages(id_of(session_id), opts)

    def get_session(self, session_id: SessionLike) -> SessionMeta:
        """Return what is told of a stored session."""
        return self._sessions.get_session(id_of(session_id))

    def delete_session(self, session_id: SessionLike) -> None:
        """Forget a session and its messages; one that lives is stopped first.

        One that is not known is forgotten already. Its threads, its configuration and its runs
        stay. The log keeps what it has, and nobody is shown it again.
        """
        name = id_of(session_id)
        with self._blocking("delete_session"):
            self._grounds.lifecycle.stop(name)
        self._sessions.delete_session(name)

    def fork_session(self, session: SessionLike, opts: Mapping[str, Any]) -> SessionMeta:
        """Enter a session that begins with the messages of another; nothing is copied.

        It is a stored session. The agent of one that is started under its name has not heard them.

        Args:
            session: the other. What hides some of its messages, whom it is shared with, and its
                summary are not taken over.
            opts: `session_id`: its name, made up unless given; `include_hidden`: False for only
                the visible messages; `extra`: put over the notes of the other.

        Raises:
            AlreadyExists: there is a session of that name.
        """
        return self._sessions.fork_session(id_of(session), opts)

    def revert_session(self, session: SessionLike, selector: Mapping[str, Any]) -> SessionMeta:
        """Hide the messages behind a boundary; those that are recorded later are visible.

        Args:
            session: the session.
            selector: `visible_message_count`: how many of all messages are before the boundary;
                else `message_id` or `uuid`: the last one before it, by either of its names.

        Raises:
            StateRefused: `invalid_selector`: it names no message.
        """
        return self._sessions.revert_session(id_of(session), selector)

    def unrevert_session(self, session: SessionLike) -> SessionMeta:
        """Show all messages of a session again, also if none was hidden."""
        return self._sessions.unrevert_session(id_of(session))

    def share_session(
        self, session: SessionLike, *, opts: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Share a session, in place of a share that it had; return the share.

        Args:
            session: the session.
            opts: `share_id`: the share's name, made up unless given.
        """
        return self._sessions.share_session(id_of(session), opts)

    def unshare_session(self, session: SessionLike) -> None:
        """Revoke the share of a session; the record of it stays. Again is no error.

        Raises:
            NotFound: it was never shared, as well.
        """
        self._sessions.unshare_session(id_of(session))

    def summarize_session(
        self, session: SessionLike, *, opts: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """Keep a summary of the visible messages, made without a model; return it.

        Args:
            session: the session.
            opts: `content` or `summary`: what it says instead; `generated_by`: who says so.
        """
        return self._sessions.summarize_session(id_of(session), opts)
