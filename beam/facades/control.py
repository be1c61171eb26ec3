"""`fleet.control`: what is kept of each session besides its log."""

from __future__ import annotations

from typing import ClassVar

from beam.facades.control_callbacks import CallbackFunctions
from beam.facades.control_config import ConfigFunctions
from beam.facades.control_feedback import FeedbackFunctions
from beam.facades.control_requests import RequestFunctions
from beam.facades.control_sessions import LiveFunctions
from beam.facades.control_tasks import TaskFunctions

__all__ = ["ControlFacade"]


class ControlFacade(
    ConfigFunctions,
    TaskFunctions,
    FeedbackFunctions,
    CallbackFunctions,
    RequestFunctions,
    LiveFunctions,
):
    """Configuration, tasks, feedback, handlers, pending requests, collaboration, by session.

    That there is such a session is not checked. Every function may raise:

    Raises:
        InvalidInput: an argument is not what it must be; nothing has changed.
        NotFound: `restarting`: its process was not back within 5 s; `no_table`: the fleet is over.
        CallExit: its process died before it answered.
    """

    __slots__ = ()

    facade: ClassVar[str] = "control"
