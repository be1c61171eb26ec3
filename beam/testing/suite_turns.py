"""The part of a conformance suite about turns: their order, what they say, what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.model.events import message_of
from beam.model.messages import ResultMessage
from beam.model.permissions import allow
from beam.testing.agent_suite import AgentSuite
from beam.testing.unified_form import STREAMED, check_charges, check_tools, check_turn

if TYPE_CHECKING:
    from beam.model.messages import Message
    from beam.sessions.handle import SessionHandle

__all__ = ["Turns"]


PACE = 0.5
"""The seconds before each piece of a slow answer."""


class Turns(AgentSuite):
    """What a turn that goes well is like."""

    def test_it_answers(self) -> None:
        """A prompt has its answer."""
        assert self.ask(self.session(), self.say("hello")) == "hello"

    def test_turns_are_answered_in_their_order(self) -> None:
        """Runs that wait are answered one after the other, each once, with its own answer."""
        session = self.session()
        slow = session.submit(self.slow(1), timeout=self.patience)
        runs = [session.submit(self.say(f"n{number}"), timeout=self.patience) for number in (1, 2)]
        assert [run.get(timeout=self.patience) for run in runs] == ["n1", "n2"]
        ends = [event.run_id for event in self.events(session, "run_completed")]
        assert ends == [slow.run_id, *(run.run_id for run in runs)], ends

    def test_it_remembers_what_was_said(self) -> None:
        """A later turn knows the earlier ones."""
        session = self.session()
        self.ask(session, self.say("one"))
        self.ask(session, self.say("two"))
        told = self.ask(session, self.history())
        assert told == "one|two", told

    def test_an_answer_is_streamed(self) -> None:
        """Pieces of an answer come while the agent is still at work on it."""
        session = self.session()
        run = session.submit(self.slow(4), timeout=self.patience)
        run.get(timeout=self.patience)
        told = [event for event in session.history() if event.run_id == run.run_id]
        kinds = [message_of(event).type for event in told if event.type == "message"]
        pieces = [
            event
            for event in told
            if event.type == "message" and message_of(event).type in STREAMED
        ]
        assert len(pieces) >= 2, kinds
        before = (told[-1].timestamp - pieces[0].timestamp) / 1000
        assert before >= PACE, f"the first piece came {before:.2f} s before the end of four"

    def test_messages_have_the_unified_form(self) -> None:
        """Every message has a known type, and its session; the pieces are the answer, its last."""
        session = self.session()
        messages = self._told(session, self.say("one two three"))
        check_turn(messages)
        assert messages[-1].content == "one two three"
        strange = {message.session_id for message in messages} - {session.id}
        assert not strange, f"messages of other sessions: {strange}"
        assert all(message.timestamp for message in messages), "messages without a time"

    def test_tool_uses_are_told_in_pairs(self) -> None:
        """A call and its result are told under one id, in this order, before the answer."""
        session = self._with_add()
        messages = self._told(session, self._adding())
        check_turn([messages[-1]])
        told = [
            (use.tool_name, use.tool_input, result.content)
            for use, result in check_tools(messages)
            if use.tool_input == {"a": 2, "b": 3}
        ]
        assert [content for *_, content in told] == ["5"], told

    def test_tokens_are_told_in_disjoint_buckets(self) -> None:
        """Usage is what the model charged for this turn: each token in one bucket, once."""
        session = self.session()
        for text in ("one", "two"):  # The second is not told what the first has cost as well.
            check_charges(self._usage(session, self.say(text)), self.charges, self.asks)

    def test_tokens_of_a_turn_are_added_up(self) -> None:
        """A turn with a tool asks the model twice, and costs both answers."""
        charges = self.charges
        twice = charges and {name: 2 * count for name, count in charges.items()}
        check_charges(self._usage(self._with_add(), self._adding()), twice, self.asks)

    def test_a_tool_of_the_session_is_called(self) -> None:
        """A Python function is offered, its call is in the log before it runs, and is answered."""
        seen: list[int] = []

        def add(a: int, b: int) -> int:
            """Add two numbers."""
            seen.append(len(self.events(session, "tool_call_started")))
            return a + b

        session = self.session(tools=[add], permission_handler=lambda *_: allow())
        assert "5" in self.ask(session, self._adding())
        assert seen == [1]
        assert len(self.events(session, "tool_call_completed")) == 1

    def _told(self, session: SessionHandle, prompt: str) -> list[Message]:
        """Return the messages of a turn."""
        return list(session.stream(prompt, timeout=self.patience))

    def _usage(self, session: SessionHandle, prompt: str) -> Any:
        """Return what a turn has cost."""
        result = self._told(session, prompt)[-1]
        assert isinstance(result, ResultMessage), result
        return result.usage

    def _with_add(self) -> SessionHandle:
        """Start a session with a tool that adds."""

        def add(a: int, b: int) -> int:
            """Add two numbers."""
            return a + b

        return self.session(tools=[add], permission_handler=lambda *_: allow())

    def _adding(self) -> str:
        """Return a prompt that makes the agent add two and three."""
        prompt = self.calls("add", {"a": 2, "b": 3})
        assert prompt is not None, "say `calls`, or lack `tools`"
        return prompt
