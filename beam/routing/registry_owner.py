"""The part of the router that keeps what each backend can do, in a table for everybody to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beam.routing.capability_registry import CapabilityRegistry
from beam.routing.plans import Plans
from beam.state.keeper import TableOwner, table_of

if TYPE_CHECKING:
    from beam.otp import Node, Table

__all__ = ["ROUTER", "RegistryOwner", "registry_of"]

ROUTER = "router"
"""The name of the process, and of its table."""

_REGISTRY = "registry"


def registry_of(node: Node) -> CapabilityRegistry:
    """Return what each backend can do; read where the caller is, without asking the router.

    Raises:
        NotFound: `no_table`: no router has run there, or the fleet is over.
    """
    registry: CapabilityRegistry = table_of(node, ROUTER).lookup(_REGISTRY)[0][1]
    return registry


class RegistryOwner(TableOwner):
    """The base of `Router`."""

    _table: Table

    def _take_registry(self, configured: CapabilityRegistry) -> None:
        """Take the table over; one that is new begins with what was configured."""
        self._table = self._take_table(ROUTER)
        known = self._table.lookup(_REGISTRY)
        self._register(known[0][1] if known else configured)

    def register_backend(self, backend: str, support: Mapping[str, Any]) -> None:
        """Add a backend that can be chosen; see `CapabilityRegistry.with_backend`.

        Raises:
            InvalidInput: an argument is not what it must be.
        """
        self._register(self._registry.with_backend(backend, support))

    def register_capability(self, backend: str, capability: str, support: Any) -> None:
        """Say how far a backend supports a capability; see `CapabilityRegistry`.

        Raises:
            InvalidInput: an argument is not what it must be.
            NotFound: `unknown_backend`.
        """
        self._register(self._registry.with_capability(backend, capability, support))

    def unregister_backend(self, backend: str) -> None:
        """Take a backend out: it is not chosen any more. An unknown one is out already."""
        self._register(self._registry.without_backend(backend))

    def reset_capabilities(self) -> None:
        """Forget every change of backends and capabilities."""
        self._register(self._registry.as_configured())

    def _register(self, registry: CapabilityRegistry) -> None:
        self._backends = registry.backends()
        self._plans = Plans(self._backends)
        self._registry = registry
        self._table.insert((_REGISTRY, registry))
