"""The part of `fleet.router` with the threads of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.errors import NotFound
from beam.facades.histories import Histories
from beam.facades.part import SessionLike, id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.state.stored_thread import Thread

__all__ = ["ThreadFunctions"]


class ThreadFunctions(Histories):
    """Threads: named parts of what is said in a session; one of them may be active.

    What the agent of a session says belongs to its active thread. The agent is not told of threads.
    Each function may raise:

    Raises:
        NotFound: there is no such session, or no such thread in it; `restarting`.
        InvalidInput: an argument is not what it must be; nothing has changed.
    """

    __slots__ = ()

    def thread_start(self, session: SessionLike, opts: Mapping[str, Any]) -> Thread:
        """Start a thread, in place of one of its name, and make it the active one.

        Args:
            session: its session.
            opts: `thread_id`, made up unless given; `name`, the id unless given; `metadata`.
        """
        return self._threads.start_thread(self._known(session), opts)

    def thread_resume(self, session: SessionLike, thread_id: str) -> Thread:
        """Make a thread the active one again; one that was archived is so no more."""
        return self._threads.resume_thread(self._known(session), thread_id)

    def thread_list(self, session: SessionLike) -> list[Thread]:
        """Return what is told of the session's threads, the one that changed last first."""
        return self._threads.list_threads(self._known(session))

    def thread_fork(
        self, session: SessionLike, thread_id: str, *, opts: Mapping[str, Any] | None = None
    ) -> Thread:
        """Start a thread that begins with the visible messages of another; nothing is copied.

        Args:
            session: the session of both.
            thread_id: the other.
            opts: as of `thread_start`; and `parent_thread_id`, the other unless given.

        Raises:
            AlreadyExists: there is a thread of the new name.
        """
        return self._threads.fork_thread(self._known(session), thread_id, opts)

    def thread_read(
        self, session: SessionLike, thread_id: str, *, opts: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return `thread`, what is told of it, and with `include_messages` its `messages`.

        Args:
            session: its session.
            thread_id: the thread.
            opts: `include_messages`: True for its visible messages as well.
        """
        return self._threads.read_thread(self._known(session), thread_id, opts)

    def thread_archive(self, session: SessionLike, thread_id: str) -> Thread:
        """Archive a thread; it stays the active one, if it is, and takes messages."""
        return self._threads.archive_thread(self._known(session), thread_id)

    def thread_unarchive(self, session: SessionLike, thread_id: str) -> Thread:
        """Have a thread archived no more; `archived_at` stays."""
        return self._threads.unarchive_thread(self._known(session), thread_id)

    def thread_rollback(
        self, session: SessionLike, thread_id: str, selector: Mapping[str, Any]
    ) -> Thread:
        """Hide the newest messages of a thread; those that are recorded later are visible.

        Args:
            session: its session.
            thread_id: the thread.
            selector: `count`: how many of the visible ones to hide; else `visible_message_count`:
                how many stay visible; else `message_id` or `uuid`: the last one that stays.

        Raises:
            StateRefused: `invalid_selector`: it names no visible message.
        """
        return self._threads.rollback_thread(self._known(session), thread_id, selector)

    def _known(self, session: SessionLike) -> str:
        """Return the id of a session that lives or is stored."""
        session_id = id_of(session)
        if self._grounds.lifecycle.status(session_id) is None:
            try:
                self._sessions.get_session(session_id)
            except NotFound as error:
                raise NotFound(session_id=session_id) from error
        return session_id
