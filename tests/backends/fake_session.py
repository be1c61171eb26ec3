"""A session's place in a test: its process, and the test's end of the talk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.backends.backend import Heard, Opening, Query, Took
from beam.backends.effects import Completed, Failed
from beam.otp import Exit, Server

if TYPE_CHECKING:
    from beam.backends.backend import Backend
    from beam.backends.effects import Effect
    from beam.otp import Mailbox, Ref

HANG_S = 60.0


class FakeSession(Server):
    """Opens a connection, and passes on what it hears, and the connection's end."""

    trap_exit = True

    def init(self, backend: Backend, to: Ref[Any], cwd: str, takes: bool) -> None:
        self.to = to
        self.takes = takes
        self.connection = backend.connect("backend", Opening(self.actor_ref, "session_1", cwd))

    def handle_cast(self, message: Any) -> None:
        assert isinstance(message, Heard)
        assert message.connection is self.connection
        self.to.tell(message.effect)
        if self.takes:
            self.connection.cast(Took(1))

    def handle_info(self, message: Any) -> None:
        self.to.tell(message)


class Conversation:
    """What a test says to a connection, and hears from it.

    Args:
        me: where it is heard.
        backend: to what kind of agent.
        cwd: the session's folder.
        takes: whether the session takes each effect at once.
    """

    def __init__(self, me: Mailbox, backend: Backend, *, cwd: str = "", takes: bool = True) -> None:
        self.me = me
        self.session = FakeSession.start(backend, me.ref, cwd, takes)
        self.connection: Ref[Any] = self.session.proxy().connection.get()

    def say(self, *wishes: Any) -> None:
        """Cast what a session may want."""
        for wish in wishes:
            self.connection.cast(wish)

    def hear(self) -> Any:
        """Return the next effect, or the `Exit` of the connection."""
        return self.me.receive(timeout=HANG_S)

    def until(self, *kinds: type) -> list[Any]:
        """Return what is heard up to the first of these kinds."""
        heard = [self.hear()]
        while not isinstance(heard[-1], kinds):
            assert not isinstance(heard[-1], Exit), heard
            heard.append(self.hear())
        return heard

    def ask(self, prompt: str, query_id: str = "q-1", **fields: Any) -> list[Effect]:
        """Have a query answered, and return all its effects."""
        self.say(Query(query_id, prompt, **fields))
        return self.until(Completed, Failed)

    def answer(self, prompt: str, query_id: str = "q-1", **fields: Any) -> str:
        """Return the answer to a query, which must have one."""
        done = self.ask(prompt, query_id, **fields)[-1]
        assert isinstance(done, Completed), done
        assert done.query_id == query_id
        return done.message.content
