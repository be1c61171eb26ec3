"""Recorded agents: backends whose agents do what a recording says, on any scheduler.

    >>> import tempfile
    >>> import beam
    >>> from beam.backends import function
    >>> from beam.testing import scripted
    >>> def review(prompt):
    ...     return f"{prompt}: fine"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = f"{folder}/review.jsonl"
    ...     with beam.Fleet(backends={"live": function(review)}) as fleet:
    ...         _ = fleet.start_session(record=file).query("a.py").get(timeout=10)
    ...     with beam.Fleet(backends={"played": scripted(file)}) as fleet:
    ...         fleet.start_session().query("a.py").get(timeout=10)
    'a.py: fine'

The first run of a session is answered with the first run of the recording, and so on: how many
there were, the session's log says, so a run that is retried is answered with the same. A connection
does what the agent did, and waits where the agent waited: for a tool's result, for a decision, for
an interrupt. What cannot go on as recorded fails the query with one of these words:

| word | when |
|---|---|
| `unexpected_prompt` | the prompt is another than the recorded one |
| `diverged` | a decision, or a tool's result, is another than the recorded one |
| `recording_over` | every run of the recording has been played |
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from beam.backends.backend import (
    WINDOW,
    Abandon,
    Backend,
    Heard,
    Interrupt,
    PermissionAnswer,
    Query,
    Took,
    ToolResult,
)
from beam.backends.effects import (
    AgentFailed,
    AskPermission,
    Completed,
    Deliver,
    Failed,
    Ready,
    RunTool,
)
from beam.errors import InvalidInput
from beam.model.messages import ErrorMessage
from beam.model.permissions import Allow, Deny, decision_to_wire
from beam.otp import Exit, Ref, Server
from beam.state.journal import Journal
from beam.testing.recorded_progress import Progress
from beam.testing.recorded_steps import (
    Answered,
    Asked,
    Called,
    Decided,
    Done,
    GaveUp,
    Gone,
    Said,
    Waiting,
)
from beam.testing.recording import runs_of

if TYPE_CHECKING:
    from beam.backends.backend import Opening
    from beam.model.permissions import Decision
    from beam.testing.recorded_steps import Attempt, RecordedRun, Step

__all__ = ["DIVERGED", "RECORDING_OVER", "UNEXPECTED_PROMPT", "recorded"]

UNEXPECTED_PROMPT = "unexpected_prompt"
"""The word for a prompt that is not the recorded one."""
DIVERGED = "diverged"
"""The word for an answer to the agent that is not the recorded one."""
RECORDING_OVER = "recording_over"
"""The word for a run more than was recorded."""

# Characters of a prompt or of a result that an error shows.
SHOWN = 200


def recorded(
    path: str | os.PathLike[str], *, strict: bool = True, speed: float | None = None
) -> Backend:
    """Return a backend that plays the file `path`; see `beam.testing.scripted`.

    Raises:
        InvalidInput: an argument is not what it must be, or the file is damaged or no recording;
            then `field` names the line and the field.
    """
    if not isinstance(strict, bool):
        raise InvalidInput("strict", strict, "True or False")
    if speed is not None and not _is_speed(speed):
        raise InvalidInput("speed", speed, "a number above 0, or None")
    try:
        with Path(path).open("rb") as lines:
            runs = runs_of(lines)
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput("path", str(path), f"a recording that can be read ({error})") from error
    return _Recorded(runs, strict=strict, speed=speed)


def _is_speed(speed: Any) -> bool:
    right = isinstance(speed, (int, float)) and not isinstance(speed, bool)
    return right and 0 < speed < math.inf


class _Recorded(Backend):
    """A backend whose agents are one recording."""

    kind: ClassVar[str] = "function"

    def __init__(self, runs: tuple[RecordedRun, ...], *, strict: bool, speed: float | None) -> None:
        self._terms = (runs, strict, speed)

    def check(self) -> None:
        """Find nothing wrong: the file was read when this was made."""

    def connect(self, name: str, opening: Opening) -> Ref[Any]:
        return _Player.start_link(*self._terms, opening)


@dataclass(frozen=True, slots=True)
class _Due:
    """A timer's mail: a step's time has come."""

    query_id: str
    step: int


class _Player(Server):
    """A session's connection to a recorded agent."""

    trap_exit = True

    def init(
        self,
        runs: tuple[RecordedRun, ...],
        strict: bool,
        speed: float | None,
        opening: Opening,
    ) -> None:
        self._runs, self._strict, self._speed = runs, strict, speed
        self._opening = opening
        self._progress = Progress(opening.session_id)
        self._ahead = 0
        self._query: Query | None = None
        self._steps: tuple[Step, ...] = ()
        self._at = 0
        # When the step before was done: as recorded, and on the node's clock.
        self._recorded_at, self._done_at = 0, 0.0
        self._awaited: _Due | None = None
        # Bounded by what one query asks for.
        self._answers: dict[str, ToolResult | PermissionAnswer] = {}
        coming = self._coming()
        self._say(
            Ready(
                "recorded",
                "1",
                (),
                agent_session="" if coming is None else coming.agent_session,
                continued="new" if coming is None else coming.continued,
            )
        )

    def _coming(self) -> Attempt | None:
        """Return the attempt that will be played next, as far as one can know."""
        self._progress.look(Journal.of(self.node))
        place = self._progress.coming
        if place >= len(self._runs):
            return None
        attempts = self._runs[place].attempts
        return attempts[min(self._progress.attempts, len(attempts) - 1)]

    def handle_cast(self, message: Any) -> None:
        match message:
            case Query():
                self._begin(message)
            case Interrupt() | Abandon() if self._query is not None:
                self._fail("interrupted", "it was interrupted")
            case Took(count):
                self._ahead -= count
                self._go_on()
            case ToolResult(tool_use_id=asked) | PermissionAnswer(request_id=asked):
                if self._query is not None and message.query_id == self._query.query_id:
                    self._answers[asked] = message
                    self._go_on()

    def handle_call(self, message: Any, caller: Any) -> Any:
        return None  # There is no program of the operating system.

    def handle_info(self, message: Any) -> None:
        match message:
            case _Due(query_id, step):
                if self._query is not None and (self._query.query_id, self._at) == (query_id, step):
                    self._play(self._steps[step])
                    self._go_on()
            case Exit(reason=reason) if reason != "normal":
                self.stop(reason)

    # A query

    def _begin(self, query: Query) -> None:
        self._query = query
        self._progress.look(Journal.of(self.node))
        place = self._progress.started - 1
        if place >= len(self._runs):
            self._fail(RECORDING_OVER, f"the recording has no more than {len(self._runs)} runs")
            return
        run = self._runs[place]
        if self._strict and query.prompt != run.prompt:
            told, known = _shown(query.prompt), _shown(run.prompt)
            self._fail(UNEXPECTED_PROMPT, f"it was asked {told}, and the recording has {known}")
            return
        attempt = run.attempts[min(query.attempt, len(run.attempts)) - 1]
        self._steps, self._at = (*attempt.steps, attempt.end), 0
        self._recorded_at, self._done_at = attempt.started_at, self.node.clock.now()
        self._answers = {}
        self._go_on()

    def _go_on(self) -> None:
        """Play until there is something to wait for: an answer, a moment, or the session (G19)."""
        while self._query is not None and self._ahead < WINDOW:
            step = self._steps[self._at]
            if isinstance(step, Waiting):
                return
            if isinstance(step, Answered | Decided):
                if not self._was_answered(step):
                    return
            elif (wait := self._wait_for(step)) > 0:
                self._be_told(wait, _Due(self._query.query_id, self._at))
                return
            else:
                self._play(step)

    def _be_told(self, wait: float, due: _Due) -> None:
        if due != self._awaited:
            self._awaited = due
            self.send_after(wait, due)

    def _wait_for(self, step: Step) -> float:
        """Return the seconds until a step of the agent's is due."""
        if self._speed is None:
            return 0.0
        due = self._done_at + (step.at - self._recorded_at) / 1000 / self._speed
        return due - self.node.clock.now()

    def _was_answered(self, step: Answered | Decided) -> bool:
        """Look whether the answer is there that the agent waited for; it must be the recorded."""
        if isinstance(step, Answered):
            result = self._answers.get(step.tool_use_id)
            if isinstance(result, ToolResult):
                self._compare_result(step, result)
        else:
            result = self._answers.get(step.request_id)
            if isinstance(result, PermissionAnswer):
                self._compare_decision(step, result.decision)
        if result is not None:
            self._done(step)
        return result is not None

    def _compare_result(self, step: Answered, result: ToolResult) -> None:
        found, known = (result.content, result.is_error), (step.content, step.is_error)
        if self._strict and step.content is not None and found != known:
            name = next(
                one.name
                for one in self._steps
                if isinstance(one, Called) and one.tool_use_id == step.tool_use_id
            )
            told, was = _outcome(*found), _outcome(step.content, step.is_error)
            self._fail(DIVERGED, f"the tool {name} gave {told}, and in the recording {was}")

    def _compare_decision(self, step: Decided, decision: Decision) -> None:
        if not _is_same(decision, step):
            name = next(
                one.name
                for one in self._steps
                if isinstance(one, Asked) and one.request_id == step.request_id
            )
            told, was = decision_to_wire(decision), decision_to_wire(step.decision)
            self._fail(DIVERGED, f"for {name} it was told {told}, and in the recording {was}")

    def _play(self, step: Step) -> None:
        """Do what the agent did."""
        assert self._query is not None
        query_id = self._query.query_id
        match step:
            case Said(_, message):
                self._say(Deliver(query_id, message))
            case Called(_, use, name, given):
                self._say(RunTool(query_id, use, name, given))
            case Asked(_, request_id, name, given, options):
                self._say(AskPermission(query_id, request_id, name, given, options))
            case Done(_, message):
                self._query = None
                self._say(Completed(query_id, message))
            case GaveUp(_, reason, message, retryable, exit):
                self._query = None
                self._say(Failed(query_id, reason, message, retryable, exit))
            case Gone():
                self._query = None
                self._end(step)
        self._done(step)

    def _end(self, gone: Gone) -> None:
        """End as a transport does whose agent has ended."""
        if gone.number is not None:
            word = "recycled" if gone.reason == "recycled" else "cli_exit"
            self.stop(("shutdown", (word, gone.number)))
            return
        told = ErrorMessage(content=gone.detail)
        self._say(AgentFailed(gone.reason, told, retryable=True, exit=gone.exit))

    def _done(self, step: Step) -> None:
        self._at += 1
        self._recorded_at, self._done_at = step.at, self.node.clock.now()

    def _fail(self, reason: str, why: str) -> None:
        query, self._query = self._query, None
        assert query is not None
        message = ErrorMessage(content=f"the recorded agent failed: {why}")
        self._say(Failed(query.query_id, reason, message, retryable=False))

    def _say(self, effect: Any) -> None:
        self._ahead += 1
        self._opening.session.cast(Heard(self.actor_ref, effect))


def _is_same(decision: Decision, step: Decided) -> bool:
    """Say whether a decision is the recorded one; why something is denied does not count."""
    known = step.decision
    if isinstance(decision, Deny) and isinstance(known, Deny):
        return decision.interrupt == known.interrupt
    if isinstance(decision, Allow) and isinstance(known, Allow) and step.redacted:
        return decision.for_session == known.for_session
    if isinstance(decision, Allow) and isinstance(decision.params, Mapping):
        decision = replace(decision, params=dict(decision.params))
    return decision == known


def _outcome(content: str | None, is_error: bool) -> str:
    return f"{'the error ' if is_error else ''}{_shown(content or '')}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
