"""A permission handler that keeps an agent waiting, for tests of what comes in between."""

from __future__ import annotations

import threading
from typing import Any

from beam import allow
from tests.agents.kills import PATIENCE

__all__ = ["LateYes"]


class LateYes:
    """Allows what it is asked for, but not before it is told to.

    Attributes:
        asked: set when it is asked.
        over: to be set when it is to answer.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.over = threading.Event()

    def __call__(self, method: str, params: Any, context: Any) -> Any:
        self.asked.set()
        self.over.wait(PATIENCE)
        return allow()
