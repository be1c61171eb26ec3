"""`BackendConformance`: what every backend must do, as tests to run against yours.

    from beam.testing import BackendConformance
    from my_agent import my_backend

    class TestMyBackend(BackendConformance):
        def backend(self):
            return my_backend()

pytest collects the tests that the class inherits. Each makes a fleet of its own with the backend,
asks through the fleet's public doors, and sees that nothing is left when it is closed. The agent
behind the backend must obey directives in its prompts, which a scripted model can do for any agent
(override `say`, `slow`, ... if yours is told otherwise):

| prompt | what the agent does |
|---|---|
| `[[say TEXT]]` | answers with the text |
| `[[history]]` | answers with the texts of every earlier `say`, with `|` between them |
| `[[slow N]]` | streams N pieces, for half a second each |
| `[[fail CODE]]` | its model answers with this HTTP status |
| `writes` | asks for permission, then makes a file with a tool of its own; `None` if it has none |
| `calls` | calls a tool of the session's; `None` if it cannot |

What your agent cannot do is named in `lacks`, with the reason; those tests are then not there:

    lacks = {"usage": "the program does not tell its tokens"}
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from beam.errors import CallTimeout, Interrupted, NotSupported, RunFailed
from beam.model.messages import MESSAGE_TYPES, ResultMessage
from beam.model.permissions import allow, deny
from beam.testing.agent_suite import AgentSuite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from beam.sessions.handle import SessionHandle

__all__ = ["FEATURES", "BackendConformance"]

FEATURES: Mapping[str, tuple[str, ...]] = {
    "memory": ("test_it_remembers_what_was_said", "test_a_killed_session_goes_on"),
    "streaming": ("test_an_answer_is_streamed",),
    "permission": (
        "test_what_is_allowed_is_done",
        "test_what_is_denied_is_not_done",
        "test_where_nobody_decides_nothing_is_done",
        "test_a_handler_that_raises_allows_nothing",
        "test_a_handler_that_hangs_allows_nothing",
        "test_a_handler_that_answers_nonsense_allows_nothing",
        "test_an_interrupt_cancels_a_pending_permission",
    ),
    "tools": ("test_a_tool_of_the_session_is_called",),
    "interrupt": ("test_an_interrupt_ends_a_turn_and_the_session_goes_on",),
    "failure": ("test_a_failure_is_never_taken_for_an_answer",),
    "usage": ("test_tokens_are_told_in_disjoint_buckets",),
    "program": (
        "test_a_killed_program_is_told_within_a_second",
        "test_a_killed_program_is_back_with_its_conversation",
    ),
    "deadline": ("test_a_turn_has_a_deadline",),
}
"""What a backend may lack, and the tests that need it."""

BUCKETS = frozenset(
    {"input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"}
)
"""The names of disjoint counts of tokens; usage may say more beside them."""

TOLD_WITHIN = 1.0
"""The seconds in which the death of a program must be in the log."""


class BackendConformance(AgentSuite):
    """The suite; see the module. Subclass it in a test file, with `backend`.

    Its attributes and what it says of its agent are those of `AgentSuite`.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take out the tests of what the agent lacks."""
        super().__init_subclass__(**kwargs)
        for feature in cls.lacks:
            if feature not in FEATURES:
                raise TypeError(f"lacks: {feature!r} is none of {', '.join(FEATURES)}")
            for test in FEATURES[feature]:
                setattr(cls, test, None)

    # Turns

    def test_it_answers(self) -> None:
        """A prompt has its answer."""
        assert self.ask(self.session(), self.say("hello")) == "hello"

    def test_turns_are_answered_in_their_order(self) -> None:
        """Runs that wait are answered one after the other, each with its own answer."""
        session = self.session()
        runs = [session.submit(self.say(f"n{number}"), timeout=self.patience) for number in (1, 2)]
        assert [run.get(timeout=self.patience) for run in runs] == ["n1", "n2"]
        ends = [event.run_id for event in self.events(session, "run_completed")]
        assert ends == [run.run_id for run in runs]

    def test_it_remembers_what_was_said(self) -> None:
        """A later turn knows the earlier ones."""
        session = self.session()
        self.ask(session, self.say("one"))
        self.ask(session, self.say("two"))
        assert self.ask(session, self.history()) == "one|two"

    def test_an_answer_is_streamed(self) -> None:
        """Pieces of an answer come before its end."""
        session = self.session()
        stream = session.stream(self.slow(3), timeout=self.patience)
        kinds = [message.type for message in stream]
        pieces = [kind for kind in kinds if kind in ("text", "stream_event", "assistant")]
        assert len(pieces) >= 2, kinds

    def test_messages_have_the_unified_form(self) -> None:
        """Every message has a known type, its session, and the result comes last, once."""
        session = self.session()
        messages = list(session.stream(self.say("hello"), timeout=self.patience))
        assert {message.type for message in messages} <= set(MESSAGE_TYPES)
        assert all(message.session_id == session.id for message in messages)
        results = [place for place, one in enumerate(messages) if isinstance(one, ResultMessage)]
        assert results == [len(messages) - 1]
        assert messages[-1].content == "hello"

    def test_tokens_are_told_in_disjoint_buckets(self) -> None:
        """Usage is counted once: what was read from a cache is not counted as input, too."""
        session = self.session()
        messages = list(session.stream(self.say("hello"), timeout=self.patience))
        result = messages[-1]
        assert isinstance(result, ResultMessage)
        assert result.usage, "no usage is told"
        counts = {name: result.usage[name] for name in BUCKETS if name in result.usage}
        assert {"input_tokens", "output_tokens"} <= set(counts), result.usage
        assert all(isinstance(count, int) and count >= 0 for count in counts.values()), counts

    # Interrupts and deadlines

    def test_an_interrupt_ends_a_turn_and_the_session_goes_on(self) -> None:
        """An interrupted run is over at once; the next prompt is answered."""
        session = self.session()
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(60), timeout=self.patience)
        self._speaking(session, run)
        session.interrupt()
        _ends_with(run, Interrupted, self.patience)
        assert self.ask(session, self.say("two")) == "two"

    def test_a_turn_has_a_deadline(self) -> None:
        """A run that takes too long fails with `timeout`; the next prompt is answered."""
        session = self.session()
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(60), timeout=1.0)
        assert _ends_with(run, RunFailed, self.patience).reason == "timeout"
        assert self.ask(session, self.say("two")) == "two"

    # Failures

    def test_a_failure_is_never_taken_for_an_answer(self) -> None:
        """An error of the model fails the run, with a reason; the session lives on."""
        session = self.session()
        run = session.submit(self.fail(400), timeout=self.patience)
        failed = _ends_with(run, RunFailed, self.patience)
        assert failed.reason
        assert self.ask(session, self.say("two")) == "two"

    # Permission

    def test_what_is_allowed_is_done(self) -> None:
        """A handler that allows is asked once, and the agent does it."""
        asked: list[Any] = []

        def handler(method: str, params: Any, context: Any) -> Any:
            asked.append(method)
            return allow()

        assert self._tries(handler)
        assert asked

    def test_what_is_denied_is_not_done(self) -> None:
        """A handler that denies is obeyed; the session goes on."""
        assert not self._tries(lambda *_: deny("no"))

    def test_where_nobody_decides_nothing_is_done(self) -> None:
        """Without a handler the answer is no (G14)."""
        assert not self._tries(None)

    def test_a_handler_that_raises_allows_nothing(self) -> None:
        """A crash of the handler is a no (G14)."""

        def handler(*_: Any) -> Any:
            raise RuntimeError("the handler is broken")

        assert not self._tries(handler)

    def test_a_handler_that_hangs_allows_nothing(self) -> None:
        """No answer in time is a no (G14)."""
        assert not self._tries(lambda *_: time.sleep(3), permission_timeout=0.5)

    def test_a_handler_that_answers_nonsense_allows_nothing(self) -> None:
        """Nothing but a decision allows anything (G14)."""
        assert not self._tries(lambda *_: "maybe")

    def test_an_interrupt_cancels_a_pending_permission(self) -> None:
        """An interrupt while the user is asked ends the run; nothing is done; it goes on."""
        path = self.folder / "work" / "made.txt"
        session = self.session(permission_handler=lambda *_: time.sleep(5))
        run = session.submit(self._writing(path), timeout=self.patience)
        self.next_event(session, "permission_requested")
        session.interrupt()
        _ends_with(run, Interrupted, self.patience)
        assert self.ask(session, self.say("two")) == "two"
        assert not path.exists()

    def _tries(self, handler: Callable[..., Any] | None, **options: Any) -> bool:
        """Say whether the agent made the file that it asked for."""
        path = self.folder / "work" / "made.txt"
        session = self.session(permission_handler=handler, **options)
        with suppress(RunFailed, Interrupted):
            self.ask(session, self._writing(path))
        assert self.ask(session, self.say("two")) == "two"
        return path.exists()

    def _writing(self, path: Path) -> str:
        prompt = self.writes(path)
        assert prompt is not None, "say `writes`, or lack `permission`"
        return prompt

    # Tools

    def test_a_tool_of_the_session_is_called(self) -> None:
        """A Python function is offered, its call is in the log before it runs, and is answered."""
        prompt = self.calls("add", {"a": 2, "b": 3})
        assert prompt is not None, "say `calls`, or lack `tools`"
        seen: list[int] = []

        def add(a: int, b: int) -> int:
            """Add two numbers."""
            seen.append(len(self.events(session, "tool_call_started")))
            return a + b

        session = self.session(tools=[add], permission_handler=lambda *_: allow())
        assert "5" in self.ask(session, prompt)
        assert seen == [1]
        assert len(self.events(session, "tool_call_completed")) == 1

    # Crashes

    def test_a_killed_program_is_told_within_a_second(self) -> None:
        """The end of a program in the middle of a turn is in the log at once."""
        session = self.session(on_crash="interrupt")
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(60), timeout=self.patience)
        self._speaking(session, run)
        killed = self._kill(session)
        _ends_with(run, Interrupted, self.patience)
        told = self.events(session, "run_interrupted")[-1].timestamp / 1000
        assert told - killed < TOLD_WITHIN, f"told after {told - killed:.2f} s"

    def test_a_killed_program_is_back_with_its_conversation(self) -> None:
        """After `kill -9` in a turn the run is retried, and knows what was said before."""
        session = self.session(on_crash="retry")
        self.ask(session, self.say("one"))
        run = session.submit(self.slow(4), timeout=self.patience)
        self._speaking(session, run)
        self._kill(session)
        run.get(timeout=self.patience)
        assert self.ask(session, self.history()).startswith("one")
        how = [event.data.get("continued") for event in self.events(session, "run_started")]
        assert {"resumed", "transcript", "forked"} & set(how), how

    def test_a_killed_session_goes_on(self) -> None:
        """After a kill of the session's own process the conversation goes on."""
        session = self.session(on_crash="retry")
        self.ask(session, self.say("one"))
        process = self.fleet.node.whereis(session.id)
        assert process is not None
        process.stop(block=False, reason="kill")
        assert self.ask_again(session, self.history()) == "one"

    def ask_again(self, session: SessionHandle, prompt: str) -> str:
        """Ask by `submit`, which waits for a session that is being restarted."""
        answer: str = session.submit(prompt, timeout=self.patience).get(timeout=self.patience)
        return answer

    def test_a_session_is_stopped_with_its_agent(self) -> None:
        """No process of an agent outlives its session (G16)."""
        session = self.session()
        self.ask(session, self.say("one"))
        pid = self.program(session)
        session.stop()
        if pid is not None:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).wait(timeout=self.patience)

    def test_steering_is_done_or_refused(self) -> None:
        """What an agent cannot hear in the middle of its turn is refused, never swallowed."""
        session = self.session()
        run = session.submit(self.slow(4), timeout=self.patience)
        self._speaking(session, run)
        with suppress(NotSupported):
            session.steer(self.say("left"))
        run.get(timeout=self.patience)
        assert self.ask(session, self.say("two")) == "two"


def _ends_with(run: Any, kind: type[Any], patience: float) -> Any:
    """Return the error that a run ends with, which must be of this kind."""
    try:
        answer = run.get(timeout=patience)
    except kind as error:
        return error
    except CallTimeout as error:
        raise AssertionError(f"the run has not ended within {patience} s") from error
    raise AssertionError(f"the run was answered: {answer!r}")
