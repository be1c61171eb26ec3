"""A connection to a command agent whose `ports` are not there, or go away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.backends.backend import Query
from beam.backends.command import command
from beam.backends.effects import AgentFailed, Failed
from beam.otp import Exit, Server
from beam.ports.requests import StartPort
from tests.backends.fake_session import Conversation

if TYPE_CHECKING:
    from beam.otp import Mailbox


class DyingPorts(Server):
    """Takes one request, and dies of it."""

    def handle_cast(self, message: Any) -> None:
        assert isinstance(message, StartPort)
        self.stop("boom")


def test_without_ports_no_agent_is_started(me: Mailbox) -> None:
    talk = Conversation(me, command("true"))
    failed = talk.hear()
    assert isinstance(failed, AgentFailed)
    assert "no process is registered as 'ports'" in failed.message.content
    ended = talk.hear()
    assert isinstance(ended, Exit)
    assert ended.reason == ("shutdown", ("spawn_failed", "port_error"))


def test_ports_that_die_before_the_agent_runs_are_not_waited_for(me: Mailbox) -> None:
    DyingPorts.start(name="ports")
    talk = Conversation(me, command("true"))
    talk.say(Query("q-1", "hello"))
    heard = talk.until(AgentFailed)
    assert all(isinstance(each, Failed) for each in heard[:-1])
    assert "boom" in heard[-1].message.content
    assert isinstance(talk.hear(), Exit)
