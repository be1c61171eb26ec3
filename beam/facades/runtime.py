"""`fleet.runtime`: what each session's queries start from, and what its agent does now."""

from __future__ import annotations

from typing import ClassVar

from beam.facades.runtime_live import LiveFunctions
from beam.facades.runtime_providers import ProviderFunctions

__all__ = ["RuntimeFacade"]


class RuntimeFacade(ProviderFunctions, LiveFunctions):
    """Providers, models, agents and modes of each session.

    A session may be given as its handle or its id; both see the same state. What is changed here is
    in the log before the function returns, its secrets sealed. Every function may raise:

    Raises:
        InvalidInput: an argument is not what it must be; nothing has changed.
        NotFound: `restarting`: its process was not back within 5 s; `no_table`: the fleet is over.
        CallExit: its process died before it answered.
    """

    __slots__ = ()

    facade: ClassVar[str] = "runtime"
