"""The supervision tree of this room: who owns the fleet's tables.

>>> [spec.name for spec in state_children(WaitingRuns())]
['keeper', 'runtime', 'control', 'runs', 'store']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from beam.otp import child
from beam.state.bus_feed import BUS, BusFeed
from beam.state.control import PERMISSION_TIMEOUT, Control
from beam.state.control_rows import CONTROL
from beam.state.handlers import HANDLERS
from beam.state.keeper import KEEPER, TableKeeper
from beam.state.runs import KEPT, RUNS, Runs
from beam.state.runtime_state import RUNTIME, RuntimeState
from beam.state.store import SessionStore
from beam.state.store_rows import STORE
from beam.state.waiting_runs import WaitingRuns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from beam.otp import ChildSpec
    from beam.state.bus import EventBus
    from beam.state.vault import Vault

__all__ = ["state_children"]


def state_children(
    waiting: WaitingRuns,
    *,
    bus: EventBus | None = None,
    vault: Vault | None = None,
    more_owners: Sequence[str] = (),
    permission_timeout: float = PERMISSION_TIMEOUT,
    handlers: int = HANDLERS,
    runs_kept: int = KEPT,
) -> list[ChildSpec]:
    """Return the children of the fleet's supervisor `State`, which is to be one_for_one.

    They are to be started after the log. Each is registered under its fixed name.

    Args:
        waiting: who waits for runs; the fleet keeps it.
        bus: who has subscribed to what; without one nobody is told.
        vault: seals the credentials that the log has; `None` for a key in memory.
        more_owners: processes elsewhere in the fleet whose tables are kept as well.
        permission_timeout: the seconds that a handler has, unless its session says otherwise.
        handlers: how many handlers may run at once.
        runs_kept: of how many runs is kept how they stand.
    """
    names = (RUNTIME, CONTROL, RUNS, STORE, *more_owners)
    feed = () if bus is None else (child(BusFeed, bus, id=BUS, name=BUS),)
    return [
        child(TableKeeper, names, id=KEEPER, name=KEEPER),
        child(RuntimeState, vault, id=RUNTIME, name=RUNTIME),
        child(Control, permission_timeout, handlers, vault, id=CONTROL, name=CONTROL),
        child(Runs, waiting, runs_kept, id=RUNS, name=RUNS),
        child(SessionStore, id=STORE, name=STORE),
        *feed,
    ]
