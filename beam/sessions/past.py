"""A session's past: what its events say of its runs, its conversation and what it left open.

A plain value, folded from the log event by event: the session's process starts from it, after a
crash as at the first time, and nothing else is needed to go on.

    >>> from beam.model import Event
    >>> def event(kind, run_id=None, **data):
    ...     return Event(id=kind, type=kind, session_id="s", timestamp=1, run_id=run_id, data=data)
    >>> past = Past()
    >>> record = {"prompt": "Hello", "on_crash": "retry"}
    >>> past.take(event("run_submitted", "r", **record))
    >>> past.take(event("run_started", "r", attempt=1))
    >>> past.in_flight().run_id, past.in_flight().attempts
    ('r', 1)
    >>> past.take(event("run_completed", "r", output="Hello yourself."))
    >>> past.in_flight(), [(turn.role, turn.content) for turn in past.history]
    (None, [('user', 'Hello'), ('assistant', 'Hello yourself.')])
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from beam.backends.host_lines import Turn
from beam.model import encoding
from beam.model.attachments import Prepared
from beam.model.runs import parse_on_crash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.model.events import Event
    from beam.model.runs import OnCrash

__all__ = ["HISTORY_CHARACTERS", "HISTORY_TURNS", "Past", "Work"]

# The most of a conversation that is told an agent anew; the log has all of it.
HISTORY_TURNS = 200
HISTORY_CHARACTERS = 1_000_000
# How many runs are remembered to have been taken, so that one that is submitted again is known.
KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Work:
    """A run as the session's process holds it: what to ask, and on which terms.

    Attributes:
        run_id: its name.
        prompt: what is asked.
        params: the query's options.
        timeout: the seconds that one attempt may take.
        on_crash: what becomes of it if the session crashes while it is at work.
        retries: how many crashes it survives; None for any number. Those that an experiment
            injected do not count.
        metadata: the caller's own notes.
        attachments: what goes with the prompt.
        attempts: how often it has been started.
        crashes: how many of these attempts a crash ended that no experiment had injected.
    """

    run_id: str
    prompt: str
    params: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = 120.0
    on_crash: OnCrash = "interrupt"
    retries: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    crashes: int = 0
    attachments: Prepared | None = None

    @property
    def asked(self) -> str:
        """What the agent is asked: the prompt, and what is attached to it."""
        return self.prompt if self.attachments is None else self.attachments.asked(self.prompt)

    def as_data(self) -> dict[str, Any]:
        """Return what `run_submitted` keeps of it."""
        attached = self.attachments
        return {
            "prompt": self.prompt,
            "params": dict(self.params),
            "timeout": self.timeout,
            "on_crash": self.on_crash,
            "retries": self.retries,
            "metadata": dict(self.metadata),
            **({} if attached is None else {"attachments": attached.as_data()}),
        }

    @classmethod
    def of(cls, run_id: str, data: Mapping[str, Any]) -> Work:
        """Return the run that `as_data` described."""
        attached = data.get("attachments")
        return cls(
            run_id=run_id,
            prompt=str(data.get("prompt", "")),
            params=data.get("params") or {},
            timeout=data.get("timeout"),
            on_crash=parse_on_crash(data.get("on_crash", "interrupt")),
            retries=data.get("retries"),
            metadata=data.get("metadata") or {},
            attachments=Prepared.of(attached) if attached else None,
        )

    def crashed(self, *, injected: bool) -> Work:
        """Return the run after a crash in its attempt; an injected one does not count."""
        return replace(self, crashes=self.crashes + (not injected))

    def may_retry(self) -> bool:
        """Say whether there is another attempt, after the crashes that there were."""
        if self.on_crash != "retry":
            return False
        return self.retries is None or self.crashes <= self.retries


class Past:
    """What the events of one session amount to.

    Attributes:
        started_at: when the session was started first, Unix milliseconds; `None` if it never was.
        restarts: how often its process has been restarted.
        stopped: whether it has ended for good.
        history: the conversation: of each answered run its prompt and its answer, the newest
            `HISTORY_TURNS` and `HISTORY_CHARACTERS`.
        open_tools: the tool calls that were dispatched and have no outcome yet (G12): the run and
            the call's id.
        settings: the model and the permission mode that were chosen for it.
        details: what its agent said of itself, as `system_info`, and its own name for the
            conversation, as `agent_session`.
        failure: the kind of the failure that cut the last attempt of a run; empty after an answer.
        known: the runs that it has taken, the newest `KNOWN`.
        faulted: whether an experiment has injected a fault that has not shown yet. It may hit a
            later run than the one it was meant for.
    """

    def __init__(self) -> None:
        self.started_at: int | None = None
        self.restarts = 0
        self.stopped = False
        self.history: deque[Turn] = deque()
        self.open_tools: dict[tuple[str | None, str], None] = {}
        self.settings: dict[str, Any] = {}
        self.details: dict[str, Any] = {}
        self.known: dict[str, None] = {}
        self.faulted = False
        self.failure = ""
        self._characters = 0
        self._waiting: dict[str, Work] = {}
        self._running: Work | None = None

    def queue(self) -> list[Work]:
        """Return the runs that wait, in the order in which they are to be run."""
        return list(self._waiting.values())

    def in_flight(self) -> Work | None:
        """Return the run that was at work."""
        return self._running

    def take(self, event: Event) -> None:
        """Take one event more, in the order of the log."""
        run_id, data = event.run_id, event.data
        match event.type:
            case "session_started":
                self.started_at = event.timestamp
            case "session_restarted":
                self.restarts += 1
                self.stopped = self.faulted = False
            case "session_stopped":
                self.stopped = True
            case "state_changed":
                self.settings.update(data.get("settings") or {})
                self.details.update(data.get("details") or {})
                self.faulted = self.faulted and data.get("to_state") != "error"
            case "fault_injected":
                self.faulted = True
            case "tool_call_started":
                self.open_tools[run_id, str(data.get("tool_use_id"))] = None
            case "tool_call_completed" | "tool_call_unknown":
                self.open_tools.pop((run_id, str(data.get("tool_use_id"))), None)
            case _ if run_id is not None:
                self._take_of_run(event, run_id)

    def _take_of_run(self, event: Event, run_id: str) -> None:
        running = self._running if self._running and self._running.run_id == run_id else None
        if event.type in ("run_retried", "run_completed"):
            self.failure = str((event.data.get("exit_reason") or {}).get("kind", ""))
        match event.type:
            case "run_submitted" if run_id not in self.known:
                self._waiting[run_id] = Work.of(run_id, event.data)
                self.known[run_id] = None
                while len(self.known) > KNOWN:
                    del self.known[next(iter(self.known))]
            case "run_started":
                work = self._waiting.pop(run_id, None) or running
                if work is not None:
                    self._running = replace(work, attempts=work.attempts + 1)
            case "run_retried" if running is not None:
                # Before those that came after it.
                again = replace(running, crashes=event.data.get("crashes", running.crashes))
                self._waiting = {run_id: again, **self._waiting}
                self._running = None
            case "run_completed" | "run_failed" | "run_interrupted":
                work = running or self._waiting.pop(run_id, None)
                self._running = None if running else self._running
                if work is not None and event.type == "run_completed":
                    self.remember(work.asked, event.data.get("output"))

    def remember(self, prompt: str, output: Any) -> None:
        """Add an answered run to the conversation, and forget the oldest of too long a one."""
        answer = output if isinstance(output, str) else encoding.encode(output)
        for turn in (Turn("user", prompt), Turn("assistant", answer)):
            self.history.append(turn)
            self._characters += len(turn.content)
        while len(self.history) > HISTORY_TURNS or (
            self._characters > HISTORY_CHARACTERS and len(self.history) > 2
        ):
            # A question goes with its answer.
            for _ in range(2):
                self._characters -= len(self.history.popleft().content)
