"""The backends of a fleet, as its user gave them: checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.backends.backend import Backend
from beam.errors import InvalidInput

__all__ = ["checked_backends"]


def checked_backends(backends: Any, *, on_machine: bool) -> dict[str, Backend]:
    """Return the backends, if they can work.

    Args:
        backends: what a user gave for them; `None` for none.
        on_machine: whether they are to work on this machine, and not in a simulation.

    Raises:
        InvalidInput: it is no mapping of names to backends, or one of them cannot work.
    """
    if backends is None:
        return {}
    if not isinstance(backends, Mapping):
        raise InvalidInput("backends", backends, "a mapping of names to backends")
    for name, one in backends.items():
        if not isinstance(name, str) or not name:
            raise InvalidInput("backends", name, "names that are non-empty texts")
        if not isinstance(one, Backend):
            raise InvalidInput(f"backends[{name!r}]", one, "function(...) or command(...)")
        if on_machine:
            one.check()
    return dict(backends)
