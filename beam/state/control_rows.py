"""Control's table: what is kept of each session, and how everybody reads it.

A row's key says what it is of which session, so that each kind of change touches one row:

| key | value |
|---|---|
| `session_id` | `SessionConfig`: the kind `config`, read most, and a bare name is found fastest |
| `("callbacks", session_id)` | `Registered` |
| `("tasks", session_id)` | `TaskRecords` |
| `("feedback", session_id)` | `Feedback` |
| `("requests", session_id)` | `Requests` |
| `("handler", session_id, request_id)` | `Running`: a handler at work |
| `("policy", profile_id)` | `Profile` |
| `("run", run_id)` | `RunWork`: a run record with its steps |
| `("step", step_id)` | the run's id |
| `("reviews", session_id)` | its `Review`s by id |
| `("realtime", session_id)` | its `Realtime`s by thread |
| `("position",)` | the position in the log up to which the rows are true |

The table is protected: its owner, the process `control`, writes; everybody reads where they are,
and asks nobody. When the owner dies, the table's heir keeps it for the next one, rows and all;
handlers that are at work stay at work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beam.errors import NotFound
from beam.policy import PROFILE_KEY, Profile, Verdict, evaluate, unknown_profile
from beam.state.callbacks import Callbacks
from beam.state.feedback import Feedback
from beam.state.handlers import AskKey
from beam.state.keeper import PATIENCE, POSITION, filled_table_of, table_of
from beam.state.requests import Requests
from beam.state.run_records import RunWork
from beam.state.session_config import PERMISSION_MODE, SessionConfig
from beam.state.task_records import TaskRecord, TaskRecords

if TYPE_CHECKING:
    from beam.log import StoredRecord
    from beam.otp import Node, Table
    from beam.state.handlers import Running
    from beam.state.realtime import Realtime
    from beam.state.review import Review

__all__ = ["CONTROL", "ControlReads", "ControlRows", "Registered"]

CONTROL = "control"
"""The name of the process, and of its table."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What a session registered with the callback broker.

    Attributes:
        handlers: its handlers, and the default.
        timeout: the seconds that a handler has; `None` for the fleet's own.
    """

    handlers: Callbacks = field(default_factory=Callbacks)
    timeout: float | None = None


class ControlRows:
    """The rows by kind; who has none of a kind has the empty value."""

    __slots__ = ("_table", "lookup")

    def __init__(self, table: Table) -> None:
        self._table = table
        self.lookup = table.lookup

    # Reading, by anybody

    def config(self, session_id: str) -> SessionConfig:
        """Return the session's configuration."""
        found: SessionConfig | None = self._value(session_id)
        return found or SessionConfig()

    def callbacks(self, session_id: str) -> Registered:
        """Return the session's handlers."""
        found: Registered | None = self._value(("callbacks", session_id))
        return found or Registered()

    def tasks(self, session_id: str) -> TaskRecords:
        """Return the session's tasks."""
        found: TaskRecords | None = self._value(("tasks", session_id))
        return found or TaskRecords(session_id)

    def policy(self, profile_id: str) -> Profile | None:
        """Return the policy profile of this name."""
        found: Profile | None = self._value(("policy", profile_id))
        return found

    def work(self, run_id: str) -> RunWork | None:
        """Return the run record of this name, with its steps."""
        found: RunWork | None = self._value(("run", run_id))
        return found

    def run_of_step(self, step_id: str) -> str | None:
        """Return the id of the run that a step is of."""
        found: str | None = self._value(("step", step_id))
        return found

    def collaboration(self, kind: str, session_id: str) -> Mapping[str, Any]:
        """Return the session's `reviews` by id, or what is `realtime` by thread."""
        found: Mapping[str, Any] | None = self._value((kind, session_id))
        return found or {}

    def all_works(self) -> Iterator[RunWork]:
        """Yield every run record."""
        for _, value in self._of_kind("run"):
            yield value

    def verdict(self, session_id: str, action: str, context: Mapping[str, Any]) -> Verdict:
        """Return what the session's policy says; without one, everything is allowed."""
        profile_id = self.config(session_id).values.get(PROFILE_KEY)
        if profile_id is None:
            return Verdict()
        profile = self.policy(profile_id) if isinstance(profile_id, str) else None
        if profile is None:
            return unknown_profile(str(profile_id))
        return evaluate(profile, action, context)

    def feedback(self, session_id: str) -> Feedback:
        """Return the feedback on the session."""
        found: Feedback | None = self._value(("feedback", session_id))
        return found or Feedback(session_id)

    def requests(self, session_id: str) -> Requests:
        """Return the session's requests."""
        found: Requests | None = self._value(("requests", session_id))
        return found or Requests.of(session_id)

    def handler(self, key: AskKey) -> Running | None:
        """Return the handler that is at work on an ask."""
        found: Running | None = self._value(("handler", *key))
        return found

    def count(self) -> int:
        """Return how many rows there are."""
        return len(self._table)

    def position(self) -> int | None:
        """Return the position in the log up to which the rows are true; `None` if unknown."""
        found: int | None = self._value(POSITION)
        return found

    def handlers(self) -> Iterator[tuple[AskKey, Running]]:
        """Yield every handler that is at work, with its ask."""
        for key, value in self._of_kind("handler"):
            yield AskKey(*key[1:]), value

    def all_requests(self) -> Iterator[Requests]:
        """Yield the requests of every session."""
        for _, value in self._of_kind("requests"):
            yield value

    def names(self, *kinds: str) -> list[tuple[str, str]]:
        """Return the kind and the name of every row of these kinds."""
        keys = (
            ("config", key) if isinstance(key, str) else key for key, _ in self._table.tab2list()
        )
        return [key[:2] for key in keys if key[0] in kinds]

    def policies(self) -> Iterator[Profile]:
        """Yield every policy profile."""
        for _, value in self._of_kind("policy"):
            yield value

    def all_tasks(self) -> Iterator[TaskRecords]:
        """Yield the tasks of every session."""
        for _, value in self._of_kind("tasks"):
            yield value

    # Writing, by the owner

    def put(self, kind: str, session_id: str, value: Any) -> None:
        """Keep the configuration, the handlers or the like of a session."""
        self._table.insert((_key(kind, session_id), value))

    def put_stored(
        self, kind: str, session_id: str, value: Any, stored: list[StoredRecord]
    ) -> None:
        """Keep what follows from events, and how far the rows are true with that.

        A `value` of `None` is no row.
        """
        key = _key(kind, session_id)
        if value is None:
            self._table.delete(key)
        position = max([self.position() or 0, *(record.position for record in stored)])
        rows = [] if value is None else [(key, value)]
        self._table.insert(*rows, (POSITION, position))

    def put_position(self, position: int) -> None:
        """Note how far the rows are true."""
        self._table.insert((POSITION, position))

    def drop(self, kind: str, session_id: str) -> None:
        """Forget what is kept of a kind."""
        self._table.delete(_key(kind, session_id))

    def clear_sessions(self, stored: list[StoredRecord]) -> None:
        """Forget what was cleared for all sessions; the numbers of feedback go on."""
        for kind, name in self.names("config", "callbacks", "tasks", "requests"):
            self.drop(kind, name)
        for kind, name in self.names("feedback"):
            self.put_stored(kind, name, self.feedback(name).cleared(), stored)

    def put_handler(self, key: AskKey, running: Running) -> None:
        """Keep a handler that is at work."""
        self._table.insert((("handler", *key), running))

    def drop_handler(self, key: AskKey) -> None:
        """Forget a handler that has ended."""
        self._table.delete(("handler", *key))

    def _value(self, key: str | tuple[str, ...]) -> Any:
        rows = self.lookup(key)
        return rows[0][1] if rows else None

    def _of_kind(self, kind: str) -> Iterator[tuple[tuple[str, ...], Any]]:
        for key, value in self._table.tab2list():
            if isinstance(key, tuple) and key[0] == kind:
                yield key, value


def _key(kind: str, name: str) -> str | tuple[str, ...]:
    return name if kind == "config" else (kind, name)


# Values that nobody can change, so that they are handed out as they are.
_SCALARS = frozenset({str, int, float, bool})


class ControlReads:
    """What can be read of control, by anybody: on the caller's thread, and without asking it.

        reads = ControlReads(node)
        reads.list_pending_requests("session_1")

    Args:
        node: where control runs.
        patience: how many seconds a read waits while control fills a table that is new.
        running: if given, a table that was lost is waited for as well; see `table_of`.

    Raises (each function):
        NotFound: `no_table`: control has never run there, or has ended; `restarting`: it has begun
            anew without a table, and was not done with reading the log by then.
    """

    _running: Callable[[], None] | None = None

    def __init__(
        self,
        node: Node,
        patience: float = PATIENCE,
        running: Callable[[], None] | None = None,
    ) -> None:
        self._node_of_table = node
        self._patience = patience
        self._running = running

    def _rows_now(self) -> ControlRows:
        table = filled_table_of(self._node_of_table, CONTROL, self._patience, self._running)
        return ControlRows(table)

    def get_config(self, session_id: str, key: str) -> Any:
        """Return one value of the session's configuration.

        Raises:
            NotFound: `not_set` with `key`.
        """
        rows = table_of(self._node_of_table, CONTROL, self._running).lookup(session_id)
        # The usual value is found in one look; a copy, the refusal, or a wait is for the rest.
        value = rows[0][1].values.get(key) if rows and isinstance(key, str) else None
        if type(value) in _SCALARS:
            return value
        return self._rows_now().config(session_id).get(key)

    def get_all_config(self, session_id: str) -> dict[str, Any]:
        """Return the session's configuration, secrets included."""
        return self._rows_now().config(session_id).all()

    def get_permission_mode(self, session_id: str) -> Any:
        """Return the session's permission mode.

        Raises:
            NotFound: `not_set`.
        """
        return self.get_config(session_id, PERMISSION_MODE)

    def get_max_thinking_tokens(self, session_id: str) -> int:
        """Return the session's budget for thinking.

        Raises:
            NotFound: `not_set`.
        """
        return self._rows_now().config(session_id).max_thinking_tokens()

    def get_policy_profile(self, profile_id: str) -> Profile:
        """Return a policy profile.

        Raises:
            NotFound: there is none of this name.
        """
        found = self._rows_now().policy(profile_id)
        if found is None:
            raise NotFound(profile_id=profile_id)
        return found

    def list_policy_profiles(self) -> list[Profile]:
        """Return every policy profile, the one put last first."""
        found = sorted(self._rows_now().policies(), key=lambda one: one.profile_id)
        return sorted(found, key=lambda one: -one.updated_at)

    def policy_verdict(self, session_id: str, action: str, context: Mapping[str, Any]) -> Verdict:
        """Return what the policy says that the session's configuration names.

        Args:
            session_id: the session; its profile is named under `policy_profile_id`.
            action: what somebody wants to do: `approval`, `backend`, `command`, ...
            context: with what.

        Returns:
            An allow if no policy is named; a deny if it is named and not there.
        """
        return self._rows_now().verdict(session_id, action, context)

    def evaluate_policy(
        self, profile_id: str | None, action: str, context: Mapping[str, Any]
    ) -> Verdict:
        """Return what a policy says, by its name; `None` allows, an unknown one denies."""
        if profile_id is None:
            return Verdict()
        profile = self._rows_now().policy(profile_id)
        if profile is None:
            return unknown_profile(profile_id)
        return evaluate(profile, action, context)

    def list_reviews(self, session_id: str) -> list[Review]:
        """Return the session's reviews, the oldest first."""
        return list(self._rows_now().collaboration("reviews", session_id).values())

    def list_realtime(self, session_id: str) -> list[Realtime]:
        """Return the session's realtime exchanges, the oldest first."""
        return list(self._rows_now().collaboration("realtime", session_id).values())

    def list_tasks(self, session_id: str) -> list[TaskRecord]:
        """Return the session's tasks, in the order in which they were registered."""
        return self._rows_now().tasks(session_id).all()

    def get_feedback(self, session_id: str) -> list[dict[str, Any]]:
        """Return the feedback on the session in order, without secrets."""
        return self._rows_now().feedback(session_id).views()

    def get_pending_response(self, session_id: str, request_id: str) -> dict[str, Any]:
        """Return the answer to a request, secrets included.

        Raises:
            NotFound: there is no such request.
            StateRefused: `pending`, nobody has answered yet.
        """
        return self._rows_now().requests(session_id).pending.response(request_id)

    def list_pending_requests(self, session_id: str) -> list[dict[str, Any]]:
        """Return every request of the session, the oldest first, without secrets.

        Permissions and approvals that wait for their handler are among them.
        """
        return self._rows_now().requests(session_id).pending.views()
