"""`RuntimeState`: the process that owns what each session's queries start from.

    >>> from beam.log import Log, MemoryStore, Shelf
    >>> from beam.otp import Node
    >>> from beam.state.keeper import TableKeeper
    >>> with Node() as node:
    ...     _ = Log.start(Shelf(MemoryStore), name="log"), TableKeeper.start(name="keeper")
    ...     runtime = RuntimeState.start(name="runtime").proxy()
    ...     runtime.register_session("session_1", {"model_id": "large", "cwd": "/tmp"}).get()
    ...     runtime.set_provider_config("session_1", {"id": "openai", "api_key": "sk-1"}).get()
    ...     state = RuntimeReads(node).get_state("session_1")
    >>> state["model_id"], state["provider_id"], state["provider"]["api_key"]
    ('large', 'openai', 'redacted')

Its table has one row for each session key: `(session_key, QueryDefaults, view)`; the view is there
if it is flat, ready to be copied. The process writes it, one change of a session after the other,
so that none is lost; everybody reads it where they are, without asking. A change is in the log
before anybody is told of it (G11), its secrets sealed (G17), and what is there is read back when
the process, or the program, starts again; see `beam.state.runtime_log`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import InvalidInput
from beam.log import replay
from beam.otp import noreply
from beam.state.answering import refuse, reply
from beam.state.checkpoints import Checkpoints
from beam.state.journal import Journal
from beam.state.keeper import POSITION, TableOwner, filled_table_of, table_of
from beam.state.plain import text
from beam.state.provider_config import check_provider_config
from beam.state.query_defaults import QueryDefaults
from beam.state.runtime_log import RUNTIME_TYPES, as_logged, defaults_of, kept_of, newest
from beam.state.vault import Vault
from beam.state.writes import Step, Stored, Write, Writes

if TYPE_CHECKING:
    from beam.log import StoredRecord
    from beam.otp import Node, Table

    Change = Callable[[QueryDefaults], QueryDefaults]

__all__ = ["RUNTIME", "RuntimeReads", "RuntimeState"]

RUNTIME = "runtime"
"""The name of the process, and of its table."""

_NO_INFO: Mapping[str, Any] = {}
_NOTHING = QueryDefaults()


class RuntimeReads:
    """What can be read of the runtime, by anybody: on the caller's thread, without asking it.

    Args:
        node: where the runtime runs.
        running: if given, a table that was lost is waited for; see `table_of`.

    Raises (each function):
        NotFound: `no_table`: it has never run there, or has ended; `restarting`: it has begun anew
            without a table, and was not done with reading the log within 5 s.
    """

    _running: Callable[[], None] | None = None

    def __init__(self, node: Node, running: Callable[[], None] | None = None) -> None:
        self._node_of_table = node
        self._running = running

    def _table_now(self) -> Table:
        return table_of(self._node_of_table, RUNTIME, self._running)

    def defaults(self, session_key: str) -> QueryDefaults:
        """Return what is set, secrets included: for the fleet's own use."""
        rows = self._table_now().lookup(session_key) or self._when_filled(session_key)
        return rows[0][1] if rows else _NOTHING

    def _when_filled(self, session_key: str) -> list[Any]:
        """Return a session's rows once the table is filled: a new one is while its owner starts."""
        table = filled_table_of(self._node_of_table, RUNTIME, running=self._running)
        return table.lookup(session_key)

    def get_state(self, session_key: str) -> dict[str, Any]:
        """Return what is set, without secrets; empty for a session that is not known."""
        rows = self._table_now().lookup(session_key) or self._when_filled(session_key)
        if not rows:
            return {}
        _, defaults, flat = rows[0]
        view: dict[str, Any] = flat.copy() if flat is not None else defaults.view()
        return view

    def current_provider(self, session_key: str, info: Mapping[str, Any] = _NO_INFO) -> str:
        """Return the provider that is selected, else the one that a live session tells of.

        Args:
            session_key: the session.
            info: the live session's own info, if the caller has it.

        Raises:
            NotFound: `not_set`.
        """
        return self.defaults(session_key).current_provider(info)

    def current_agent(self, session_key: str, info: Mapping[str, Any] = _NO_INFO) -> str:
        """Return the agent that is selected, else the one that a live session tells of.

        Raises:
            NotFound: `not_set`.
        """
        return self.defaults(session_key).current_agent(info)

    def get_provider_config(self, session_key: str) -> dict[str, Any]:
        """Return the provider's configuration without secrets, empty if there is none."""
        return self.defaults(session_key).provider_config_view()

    def validate_provider_config(self, provider_id: str | None, config: Mapping[str, Any]) -> None:
        """Check a configuration, whichever provider it is for; nothing is stored.

        Raises:
            StateRefused: `invalid_provider_config` or `invalid_api_key`.
        """
        check_provider_config(config)

    def merge_query_opts(self, session_key: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a query: what `params` says, else what is set here.

        The secrets are in it: it is for the backend, and for nobody to see.
        """
        _check_mapping("params", params)
        return self.defaults(session_key).merge(params)


class RuntimeState(RuntimeReads, TableOwner):
    """The process `runtime`. Bad input is answered with `InvalidInput`, by every function.

    Every change may be refused as well:

    Raises:
        QueueFull: so many changes of the session wait already, or the log is full.
        StateRefused: `key_unreadable`: it has a secret, and the vault cannot seal it.
        StoreError: the log did not take it; nothing has changed.
    """

    blocking: ClassVar[bool | None] = False

    def init(self, vault: Vault | None = None) -> None:
        """Take the table over, and bring it up to date from the log.

        Args:
            vault: seals the secrets; one with a key in memory unless given.
        """
        self._journal = Journal.of(self.node)
        self._vault = vault or Vault(chance=self.node.clock.random.randbytes)
        self._table = self._take_table(RUNTIME)
        self._checkpoints = Checkpoints(self._journal, RUNTIME, version=1)
        self._writes = Writes(self._journal, self.actor_ref.cast)
        self._catch_up()

    def _table_now(self) -> Table:
        return self._table

    def _when_filled(self, session_key: str) -> list[Any]:
        return []  # The owner knows what is there.

    # Changes

    def register_session(self, session_key: str, options: Mapping[str, Any]) -> Any:
        """Set those of the seven keys that a session's options have; other keys are left.

        Raises:
            StateRefused: `invalid_provider_config` or `invalid_api_key`.
        """
        _check_mapping("options", options)
        return self._change(session_key, lambda now: now.registered(options))

    def clear_session(self, session_key: str) -> Any:
        """Forget the session."""
        return self._change(session_key, lambda _: QueryDefaults())

    def set_provider(self, session_key: str, provider_id: str) -> Any:
        """Select a provider; its configuration stays as it is."""
        return self._change(session_key, lambda now: now.with_provider(provider_id))

    def clear_provider(self, session_key: str) -> Any:
        """Forget the provider and its configuration."""
        return self._change(session_key, QueryDefaults.without_provider)

    def set_provider_config(self, session_key: str, config: Mapping[str, Any]) -> Any:
        """Replace the provider's configuration, and select the provider if it names one.

        Raises:
            StateRefused: `invalid_provider_config` or `invalid_api_key`.
        """
        return self._change(session_key, lambda now: now.with_provider_config(config))

    def set_agent(self, session_key: str, agent: str) -> Any:
        """Select an agent."""
        return self._change(session_key, lambda now: now.with_agent(agent))

    def clear_agent(self, session_key: str) -> Any:
        """Forget the agent."""
        return self._change(session_key, QueryDefaults.without_agent)

    def _change(self, session_key: str, change: Change) -> Any:
        """Change a session's defaults for the caller of this turn, who is answered when stored."""
        key, caller = text("session_key", session_key), self.caller

        def step() -> Step:
            return self._step(key, change, lambda: reply(caller))

        self._writes.submit(key, Write(step, partial(refuse, caller)))
        return noreply

    def _step(self, key: str, change: Change, done: Callable[[], None]) -> Step:
        before = self.defaults(key)
        after = as_logged(change(before))
        if after == before:
            return Step((), lambda _: done())
        kept = kept_of(after, self._vault, key)
        event = self._journal.event("runtime_changed", key, **kept)

        def take(stored: list[StoredRecord]) -> None:
            self._put(key, after, stored[-1].position)
            done()

        return Step((event,), take)

    def handle_cast(self, message: Any) -> None:
        """Take the log's answers."""
        if isinstance(message, Stored):
            self._writes.stored(message)
        else:
            super().handle_cast(message)

    # The table and the log

    def _put(self, key: str, defaults: QueryDefaults, position: int) -> None:
        position = max(position, self._position() or 0)
        if defaults == QueryDefaults():
            self._table.delete(key)
            self._table.insert((POSITION, position))
        else:
            self._table.insert(_row(key, defaults), (POSITION, position))
        self._save_if_due(position)

    def _save_if_due(self, position: int) -> None:
        if self._checkpoints.due(position, len(self._table)):
            self._checkpoints.save(position, self._kept())

    def _position(self) -> int | None:
        """Return up to where in the log the table is true; `None` if it is new."""
        rows = self._table.lookup(POSITION)
        return rows[0][1] if rows else None

    def _kept(self) -> list[Any]:
        rows = self._table.tab2list()
        return [
            [row[0], kept_of(row[1], self._vault, row[0])] for row in rows if row[0] != POSITION
        ]

    def _catch_up(self) -> None:
        """Fold what is in the log and not in the table: all of it, or what a crash kept out."""
        # Behind everything that a former life of this process has handed to the log.
        self._journal.settle()
        known = self._position()
        snapshot = self._checkpoints.load() if known is None else None
        if snapshot is not None:
            known = snapshot.position
            self._take(dict(snapshot.data))
        store = self._journal.store
        end = store.last_position()
        changed, last = newest(replay(store, after_position=known or 0, types=RUNTIME_TYPES))
        self._take(changed)
        position = max(end, last)
        self._table.insert((POSITION, position))
        # Also if little of it was the runtime's: it was looked through.
        self._save_if_due(position)

    def _take(self, kept: Mapping[str, Any]) -> None:
        rows = []
        for key, data in kept.items():
            defaults = defaults_of(data, self._vault, key)
            if defaults == QueryDefaults():
                self._table.delete(key)
            else:
                rows.append(_row(key, defaults))
        if rows:
            self._table.insert(*rows)


def _row(key: str, defaults: QueryDefaults) -> tuple[str, QueryDefaults, dict[str, Any] | None]:
    """Return a session's row: with its view, if a copy of that needs no walk."""
    view = defaults.view()
    flat = all(isinstance(value, str) for value in view.values())
    return (key, defaults, view if flat else None)


def _check_mapping(field: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise InvalidInput(field, type(value).__name__, "a mapping")
