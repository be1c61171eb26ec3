"""The part of a conformance suite that is about permission: nothing but a yes is a yes (G14)."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from beam.errors import Interrupted, RunFailed
from beam.model.permissions import allow, deny
from beam.testing.agent_suite import AgentSuite, ends_with

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Permission"]


class Permission(AgentSuite):
    """What an agent does that asks before it acts."""

    def test_what_is_allowed_is_done(self) -> None:
        """A handler that allows is asked once, by the name of a tool, and the agent does it."""
        asked: list[Any] = []

        def handler(method: str, params: Any, context: Any) -> Any:
            asked.append(method)
            return allow()

        assert self._tries(handler), "what was allowed was not done"
        assert len(asked) == 1, f"asked for: {asked}"
        assert asked[0], "asked for no tool"

    def test_what_is_denied_is_not_done(self) -> None:
        """A handler that denies is obeyed; the session goes on."""
        asked: list[Any] = []

        def handler(*question: Any) -> Any:
            asked.append(question)
            return deny("no")

        assert not self._tries(handler), "what was denied was done"
        assert asked, "nobody was asked"

    def test_where_nobody_decides_nothing_is_done(self) -> None:
        """Without a handler the answer is no (G14)."""
        assert not self._tries(None), "it was done, and nobody had allowed it"

    def test_a_handler_that_raises_allows_nothing(self) -> None:
        """A crash of the handler is a no (G14)."""

        def handler(*_: Any) -> Any:
            raise RuntimeError("the handler is broken")

        assert not self._tries(handler), "it was done, and nobody had allowed it"

    def test_a_handler_that_hangs_allows_nothing(self) -> None:
        """No answer in time is a no (G14)."""
        done = self._tries(lambda *_: time.sleep(3), permission_timeout=0.5)
        assert not done, "it was done, and nobody had allowed it"

    def test_a_handler_that_answers_nonsense_allows_nothing(self) -> None:
        """Nothing but a decision allows anything (G14)."""
        assert not self._tries(lambda *_: "maybe"), "it was done, and nobody had allowed it"

    def test_an_interrupt_cancels_a_pending_permission(self) -> None:
        """An interrupt while the user is asked ends the run; nothing is done; it goes on."""
        path = self.folder / "work" / "made.txt"
        session = self.session(permission_handler=lambda *_: time.sleep(5))
        run = session.submit(self._writing(path), timeout=self.patience)
        self.next_event(session, "permission_requested")
        session.interrupt()
        ends_with(run, Interrupted, self.patience)
        assert self.ask(session, self.say("two")) == "two"
        assert not path.exists(), "it was done, and nobody had allowed it"

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
