"""What a real agent's adapter has to write: a driver, and what it is given for it.

A driver is one client of one agent, for one life of a connection. All of it runs on the fleet's
loop thread, so nothing in it may block; it knows neither processes nor the log. Whoever holds it
(`beam.backends.agent_connection`) starts the agent's program, keeps the deadlines, ends what hangs,
and tells the session. A new kind of agent is a driver and an `AgentBackend`; `docs/backends.md`
teaches writing one.

    class EchoDriver(Driver):
        async def open(self):
            return Ready("echo", "1.0", ("interrupt",))

        async def ask(self, query):
            self.talk.say(TextMessage(content=query.prompt))
            return Completed(query.query_id, ResultMessage(content=query.prompt))
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam.backends.agent_wire import Wire
    from beam.backends.backend import Query
    from beam.backends.effects import AgentFailed, Completed, Failed, Ready
    from beam.backends.talk import Talk

__all__ = ["Driver"]


class Driver(abc.ABC):
    """One client of one agent; made, used and closed on the loop thread.

    Args:
        talk: what it may say and ask.
        wire: the program's stdin and stdout; None for an agent that has no program.
    """

    def __init__(self, talk: Talk, wire: Wire | None) -> None:
        self.talk = talk
        self._wire = wire

    @property
    def wire(self) -> Wire:
        """The program's stdin and stdout."""
        assert self._wire is not None, "this agent has no program"
        return self._wire

    @abc.abstractmethod
    async def open(self) -> Ready | AgentFailed:
        """Shake hands, take up the conversation `talk.opening.resume` if there is one.

        A conversation that the agent does not know any more is begun anew, with
        `Ready.continued="transcript"`, and its first prompt told what was said before
        (`with_transcript`).

        Returns:
            `Ready`, or `AgentFailed` if the agent says that it cannot work. Anything that is
            raised is a handshake that failed, and counts as of `ask`.
        """

    @abc.abstractmethod
    async def ask(self, query: Query) -> Completed | Failed:
        """Run one turn; there is never more than one. It may be cancelled when its end is known.

        Returns:
            How it ended. What the agent did wrong is a `Failed` with an `exit` reason. Anything
            that is raised counts as `protocol_error`, or as the program's end if that has come.
        """

    @abc.abstractmethod
    async def interrupt(self) -> None:
        """Ask the agent to end the open turn soon; `ask` then returns `Failed("interrupted")`.

        Permissions that were asked for have been answered with None before.
        """

    async def steer(self, text: str) -> bool:
        """Tell the agent something in the middle of its turn; say whether it takes it."""
        return False

    async def conversations(self, cwd: str | None) -> list[dict[str, Any]] | None:
        """Return the conversations that the agent has kept; None if it cannot say.

        Each has `id`, which a session's option `fork` takes, and what else is told of it: `title`,
        `cwd`, `updated_at`.

        Args:
            cwd: only those of this folder; None for all.
        """
        return None

    async def close(self) -> None:
        """Part from the agent in order; its program is ended after that."""
        return

    def abandon(self) -> None:  # noqa: B027 - most have nothing of their own
        """End what it still has at work itself, at once: its connection has ended.

        Called on the loop thread, after `close` or instead of it, also when the connection was
        killed. The coroutines that were called from outside have been cancelled.
        """
