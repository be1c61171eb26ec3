"""`fleet.capabilities`: what each backend can do, and backends of your own that routing sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from beam.errors import NotFound
from beam.facades.part import Part, SessionLike
from beam.routing.registry_owner import ROUTER, registry_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from beam.model.capabilities import Support
    from beam.routing.capability_registry import CapabilityRegistry, Projection

__all__ = ["CapabilityFacade"]


class CapabilityFacade(Part):
    """Capabilities, by backend.

    What is registered here lasts as long as the fleet: it is part of a program, and in no log. A
    backend that is registered can be chosen by the router; a session can be started only on one
    that the fleet was made with.
    """

    __slots__ = ()

    facade: ClassVar[str] = "capabilities"

    @property
    def _registry(self) -> CapabilityRegistry:
        return registry_of(self._grounds.node)

    def all(self) -> list[dict[str, Any]]:
        """Return every capability with its `id`, its `title` and its `support` by backend."""
        return self._registry.all()

    def capability_ids(self) -> list[str]:
        """Return the ids of all capabilities."""
        return self._registry.capability_ids()

    def backends(self) -> list[str]:
        """Return the names of all backends, sorted."""
        return self._registry.names()

    def for_backend(self, backend: str) -> list[Projection]:
        """Return what a backend can and cannot do.

        Raises:
            NotFound: `unknown_backend`.
        """
        return self._registry.for_backend(backend)

    def for_session(self, session: SessionLike) -> list[Projection]:
        """Return what the backend of a session can and cannot do.

        Raises:
            NotFound: there is no such session.
        """
        handle = self._handle(session)
        backend = self._grounds.commons.roster.backend(handle.id)
        if backend is None:
            raise NotFound("backend_not_present", session_id=handle.id)
        return self._registry.for_backend(backend)

    def status(self, capability: str, backend: str) -> Support:
        """Return how far a backend supports a capability.

        Raises:
            NotFound: `unknown_capability`, or, checked after it, `unknown_backend`.
        """
        return self._registry.status(capability, backend)

    def supports(self, capability: str, backend: str) -> bool:
        """Say whether a backend supports a capability: no, where it is missing.

        Raises:
            NotFound: as `status`.
        """
        return self._registry.supports(capability, backend)

    def assert_capability(self, capability: str, backend: str) -> None:
        """Refuse what a backend cannot do.

        Raises:
            NotSupported: `unsupported_capability`.
            NotFound: as `status`.
        """
        self._registry.assert_capability(capability, backend)

    def register_backend(self, backend: str, support: Mapping[str, Any]) -> None:
        """Add a backend that the router may choose, or put another row in place of its own.

        Args:
            backend: what it is called.
            support: by capability a `Support`, or a mapping of its fields (`level`, ...).
        """
        self._ask(ROUTER, "register_backend", backend, support)

    def register_capability(self, backend: str, capability: str, support: Any) -> None:
        """Say how far a backend supports one capability; a new id becomes known by that.

        Raises:
            NotFound: `unknown_backend`.
        """
        self._ask(ROUTER, "register_capability", backend, capability, support)

    def unregister_backend(self, backend: str) -> None:
        """Take a backend out: the router chooses it no more. An unknown one is out already."""
        self._ask(ROUTER, "unregister_backend", backend)

    def reset(self) -> None:
        """Go back to the backends and capabilities that the fleet was made with."""
        self._ask(ROUTER, "reset_capabilities")
