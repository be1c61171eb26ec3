"""`Runs`: the process that tells who waits for a run how it ended, and how runs stand.

    >>> from beam.log import Log, MemoryStore, Shelf
    >>> from beam.otp import Future, Node
    >>> from beam.state.journal import Journal
    >>> from beam.state.keeper import TableKeeper
    >>> with Node() as node:
    ...     _ = Log.start(Shelf(MemoryStore), name="log"), TableKeeper.start(name="keeper")
    ...     waiting = WaitingRuns()
    ...     _ = Runs.start(waiting, name="runs")
    ...     future, journal = Future(), Journal.of(node)
    ...     waiting.expect("run_1", "session_1", future)
    ...     _ = journal.append_wait([
    ...         journal.event("run_submitted", "session_1", run_id="run_1", prompt="Hello"),
    ...         journal.event("run_completed", "session_1", run_id="run_1", output="Hi"),
    ...     ])
    ...     future.get(timeout=5.0), RunsReads(node).get("run_1").status
    ('Hi', 'completed')

A run has ended when its end is in the log, and only then is anybody told. This process listens to
the log; when it starts, it first listens and then looks, for every run that somebody waits for, so
that nothing falls between the two, whenever it died.

Its table has the newest 10,000 runs, unless said otherwise: `(run_id, RunInfo)`. It is written by
this process and read by everybody where they are; what is not in it is looked for in the log.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from beam.errors import InvalidInput, NotFound
from beam.log import replay, store_of
from beam.model.records import to_record
from beam.model.runs import RunInfo
from beam.state.checkpoints import Checkpoints
from beam.state.journal import Journal, event_of
from beam.state.keeper import TableOwner, table_of
from beam.state.run_events import ENDS, RUN_TYPES, after, outcome_of
from beam.state.waiting_runs import WaitingRuns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from beam.log import Listener, Store, StoredRecord
    from beam.model.events import Event
    from beam.otp import Node, Ref

__all__ = ["RUNS", "Runs", "RunsReads"]

RUNS = "runs"
"""The name of the process, and of its table."""

KEPT = 10_000
"""How many runs the table has, unless said otherwise."""

VERSION = 1
"""The version of the shape of its checkpoints."""

# How far back the log is looked through for the newest runs, in records, if there is nothing else
# to begin with; ever further, until there are as many as are kept.
WINDOW = 100_000

# No run has this name: under it is the position up to which the rows are true.
_POSITION = ("position",)


@dataclass(frozen=True, slots=True)
class _Fresh:
    """Mail to the owner: new events of runs."""

    records: tuple[StoredRecord, ...]


class RunsReads:
    """How runs stand, for anybody: read on the caller's thread, without asking the process.

    Args:
        node: where the runs are.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def get(self, run_id: str, session_id: str | None = None) -> RunInfo:
        """Return a run as it stands in the log, or stood a moment ago.

        Args:
            run_id: the run.
            session_id: its session, if the caller knows it: then a run that is not among the newest
                is looked for there only, and not in the whole log.

        Raises:
            NotFound: there is no such run, or nothing runs there that could tell.
        """
        rows = table_of(self._node, RUNS).lookup(run_id)
        if rows:
            found: RunInfo = rows[0][1]
            return found
        run: RunInfo | None = None
        for stored in self._stored(session_id):
            event = event_of(stored)
            if event.run_id == run_id:
                run = after(run, event)
        if run is None:
            raise NotFound(run_id=run_id)
        return run

    def _stored(self, session_id: str | None) -> Iterable[StoredRecord]:
        store = store_of(self._node)
        if session_id is None:
            return replay(store, types=RUN_TYPES)
        return store.read(session_id, types=RUN_TYPES)


class Runs(TableOwner):
    """The process `runs`."""

    trap_exit = True

    def init(self, waiting: WaitingRuns, keep: int = KEPT) -> None:
        """Take the table over, listen to the log, and look what was missed.

        Args:
            waiting: who waits; the fleet's.
            keep: how many runs the table has.
        """
        if not isinstance(waiting, WaitingRuns):
            raise InvalidInput("waiting", waiting, "WaitingRuns")
        self._waiting = waiting
        self._keep = keep
        self._table = self._take_table(RUNS)
        self._order: deque[str] = deque()
        self._checkpoints = Checkpoints(Journal.of(self.node), RUNS, version=VERSION)
        store = store_of(self.node)
        self._listener = _listen(store, self.actor_ref)
        self._catch_up(store)
        self._look_for_expected(store)

    def _catch_up(self, store: Store) -> None:
        """Bring the rows up to where the listener begins."""
        until = self._listener.since
        rows = self._table.lookup(_POSITION)
        position = rows[0][1] if rows else self._load()
        runs = sorted(
            (info.created_at, run_id)
            for run_id, info in self._table.tab2list()
            if run_id != _POSITION
        )
        self._order = deque(run_id for _, run_id in runs)
        if not position:
            position = first_position(store, until, self._keep)
        for stored in replay(store, after_position=position, types=RUN_TYPES):
            if stored.position > until:
                break
            self._take(stored)
        self._table.insert((_POSITION, until))
        self._save_if_due(until)

    def _load(self) -> int:
        """Begin with the last checkpoint; return up to where in the log it is true, 0 for none."""
        found = self._checkpoints.restored(lambda data: [RunInfo(**record) for record in data])
        if found is None:
            return 0
        position, runs = found
        self._table.insert(*((run.run_id, run) for run in runs), (_POSITION, position))
        return position

    def _save_if_due(self, position: int) -> None:
        if self._checkpoints.due(position, len(self._order)):
            rows = [self._table.lookup(run_id)[0][1] for run_id in self._order]
            self._checkpoints.save(position, [to_record(run) for run in rows])

    def _look_for_expected(self, store: Store) -> None:
        """Settle what ended while nobody listened."""
        for session_id in self._waiting.expected():
            for stored in store.read(session_id, types=ENDS):
                self._settle(event_of(stored))

    def handle_cast(self, message: Any) -> None:
        """Take new events of runs."""
        if not isinstance(message, _Fresh):
            super().handle_cast(message)
            return
        for stored in message.records:
            self._take(stored)
        self._save_if_due(message.records[-1].position)

    def handle_info(self, message: Any) -> None:
        """Drop exit signals of others than the parent: this process is linked to nobody else."""

    def terminate(self, reason: Any) -> None:
        """Listen no more."""
        self._listener.cancel()

    def _take(self, stored: StoredRecord) -> None:
        event = event_of(stored)
        if event.run_id is None:
            return
        rows = self._table.lookup(event.run_id)
        known = rows[0][1] if rows else None
        run = after(known, event)
        if run is not None:
            self._table.insert((event.run_id, run), (_POSITION, stored.position))
            if known is None:
                self._order.append(event.run_id)
                while len(self._order) > self._keep:
                    self._table.delete(self._order.popleft())
        if event.type in ENDS:
            self._settle(event)

    def _settle(self, event: Event) -> None:
        """Tell who waits for the run, if anybody does."""
        futures = [] if event.run_id is None else self._waiting.take(event.run_id)
        if not futures:
            return
        outcome = outcome_of(event)
        for future in futures:
            future.settle(outcome, failed=event.type != "run_completed")


def first_position(store: Store, until: int, keep: int) -> int:
    """Return a position after which the log has the last `keep` runs, or 0."""
    window = WINDOW
    while window < until:
        begun = replay(store, after_position=until - window, types=("run_submitted",))
        if sum(1 for _ in begun) >= keep:
            return until - window
        window *= 4
    return 0


def _listen(store: Store, runs: Ref[Any]) -> Listener:
    """Have new events of runs cast to the process as long as it lives."""
    heard = frozenset[str](RUN_TYPES)
    listener: Listener | None = None

    def tell(records: tuple[StoredRecord, ...]) -> None:
        if not runs.is_alive():
            # It was killed, and could not take its listener back.
            if listener is not None:
                listener.cancel()
            return
        mine = tuple(record for record in records if record.type in heard)
        if mine:
            runs.cast(_Fresh(mine))

    listener = store.on_append(tell)
    return listener
