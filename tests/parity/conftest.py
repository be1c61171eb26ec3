"""The fleets of the sessions' tests."""

from tests.sessions.conftest import backend, fleet, fleets, shouting, store, unlogged

__all__ = ["backend", "fleet", "fleets", "shouting", "store", "unlogged"]
