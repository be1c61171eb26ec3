"""`RuntimeState`: the process that owns what each session's queries start from.

    >>> from beam.otp import Node
    >>> from beam.state.keeper import TableKeeper
    >>> with Node() as node:
    ...     _ = TableKeeper.start(name="keeper")
    ...     runtime = RuntimeState.start(name="runtime").proxy()
    ...     runtime.register_session("session_1", {"model_id": "large", "cwd": "/tmp"}).get()
    ...     runtime.set_provider_config("session_1", {"id": "openai", "api_key": "sk-1"}).get()
    ...     state = RuntimeReads(node).get_state("session_1")
    >>> state["model_id"], state["provider_id"], state["provider"]["api_key"]
    ('large', 'openai', 'redacted')

Its table has one row for each session key: `(session_key, QueryDefaults)`. The process writes it,
one change after the other, so that none is lost; everybody reads it where they are, without asking.
When the process dies, the table's heir keeps the rows for the next one. They hold secrets, so they
are in no log: a fleet that starts anew has them from the sessions' options again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import InvalidInput
from beam.state.keeper import TableOwner, table_of
from beam.state.plain import text
from beam.state.provider_config import check_provider_config
from beam.state.query_defaults import QueryDefaults

if TYPE_CHECKING:
    from beam.otp import Node, Table

__all__ = ["RUNTIME", "RuntimeReads", "RuntimeState"]

RUNTIME = "runtime"
"""The name of the process, and of its table."""

_NO_INFO: Mapping[str, Any] = {}


class RuntimeReads:
    """What can be read of the runtime, by anybody: on the caller's thread, without asking it.

    Args:
        node: where the runtime runs.

    Raises (each function):
        NotFound: `no_table`: it has never run there, or has ended.
    """

    def __init__(self, node: Node) -> None:
        self._node_of_table = node

    def _table_now(self) -> Table:
        return table_of(self._node_of_table, RUNTIME)

    def _defaults(self, session_key: str) -> QueryDefaults:
        rows = self._table_now().lookup(session_key)
        return rows[0][1] if rows else QueryDefaults()

    def get_state(self, session_key: str) -> dict[str, Any]:
        """Return what is set, without secrets; empty for a session that is not known."""
        return self._defaults(session_key).view()

    def current_provider(self, session_key: str, info: Mapping[str, Any] = _NO_INFO) -> str:
        """Return the provider that is selected, else the one that a live session tells of.

        Args:
            session_key: the session.
            info: the live session's own info, if the caller has it.

        Raises:
            NotFound: `not_set`.
        """
        return self._defaults(session_key).current_provider(info)

    def current_agent(self, session_key: str, info: Mapping[str, Any] = _NO_INFO) -> str:
        """Return the agent that is selected, else the one that a live session tells of.

        Raises:
            NotFound: `not_set`.
        """
        return self._defaults(session_key).current_agent(info)

    def get_provider_config(self, session_key: str) -> dict[str, Any]:
        """Return the provider's configuration without secrets, empty if there is none."""
        return self._defaults(session_key).provider_config_view()

    def merge_query_opts(self, session_key: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a query: what `params` says, else what is set here.

        The secrets are in it: it is for the backend, and for nobody to see.
        """
        _check_mapping("params", params)
        return self._defaults(session_key).merge(params)


class RuntimeState(RuntimeReads, TableOwner):
    """The process `runtime`. Bad input is answered with `InvalidInput`, by every function."""

    blocking: ClassVar[bool | None] = False

    def init(self) -> None:
        """Take the table over."""
        self._table = self._take_table(RUNTIME)

    def _table_now(self) -> Table:
        return self._table

    def register_session(self, session_key: str, options: Mapping[str, Any]) -> None:
        """Set those of the seven keys that a session's options have; other keys are left.

        Raises:
            StateRefused: `invalid_provider_config` or `invalid_api_key`.
        """
        _check_mapping("options", options)
        self._put(session_key, self._defaults(session_key).registered(options))

    def clear_session(self, session_key: str) -> None:
        """Forget the session."""
        self._table.delete(text("session_key", session_key))

    def set_provider(self, session_key: str, provider_id: str) -> None:
        """Select a provider; its configuration stays as it is."""
        self._put(session_key, self._defaults(session_key).with_provider(provider_id))

    def clear_provider(self, session_key: str) -> None:
        """Forget the provider and its configuration."""
        self._put(session_key, self._defaults(session_key).without_provider())

    def set_provider_config(self, session_key: str, config: Mapping[str, Any]) -> None:
        """Replace the provider's configuration, and select the provider if it names one.

        Raises:
            StateRefused: `invalid_provider_config` or `invalid_api_key`.
        """
        self._put(session_key, self._defaults(session_key).with_provider_config(config))

    def validate_provider_config(self, provider_id: str | None, config: Mapping[str, Any]) -> None:
        """Check a configuration, whichever provider it is for; nothing is stored.

        Raises:
            StateRefused: `invalid_provider_config` or `invalid_api_key`.
        """
        check_provider_config(config)

    def set_agent(self, session_key: str, agent: str) -> None:
        """Select an agent."""
        self._put(session_key, self._defaults(session_key).with_agent(agent))

    def clear_agent(self, session_key: str) -> None:
        """Forget the agent."""
        self._put(session_key, self._defaults(session_key).without_agent())

    def _put(self, session_key: str, defaults: QueryDefaults) -> None:
        key = text("session_key", session_key)
        if defaults == QueryDefaults():
            self._table.delete(key)
        else:
            self._table.insert((key, defaults))


def _check_mapping(field: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise InvalidInput(field, type(value).__name__, "a mapping")
