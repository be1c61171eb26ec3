"""What is known of each session besides its log: query defaults, configuration, tasks, requests.

Every value here is frozen and belongs to one session: a row of a table, whose owner puts the next
value in place of the last. A change returns the next value and, where something happened that
others are told of, a `ControlEvent`. No thread, no clock, no actor: times are arguments, in Unix
milliseconds, and whoever runs a handler reports its `Outcome`.

    >>> from beam.state import PendingRequests
    >>> pending, event = PendingRequests("session_1").stored("req_1", {"token": "x"}, at=1000)
    >>> event.as_message()["request"]["token"]
    'redacted'

What is read for showing (`view`, `views`, `as_message`) has no secrets in it; what is read for
working with it has.
"""

from beam.state.callbacks import Callbacks
from beam.state.control_event import ControlEvent
from beam.state.feedback import Feedback
from beam.state.outcome import Answered, Failed, Outcome, TimedOut
from beam.state.pending_requests import PendingRequest, PendingRequests
from beam.state.permission import (
    Approval,
    Question,
    approval_question,
    decide_approval,
    decide_permission,
    permission_question,
)
from beam.state.query_defaults import QueryDefaults
from beam.state.session_config import SessionConfig
from beam.state.task_records import TaskRecord, TaskRecords
from beam.state.user_input import PendingInput, concluded, opened

__all__ = [
    "Answered",
    "Approval",
    "Callbacks",
    "ControlEvent",
    "Failed",
    "Feedback",
    "Outcome",
    "PendingInput",
    "PendingRequest",
    "PendingRequests",
    "QueryDefaults",
    "Question",
    "SessionConfig",
    "TaskRecord",
    "TaskRecords",
    "TimedOut",
    "approval_question",
    "concluded",
    "decide_approval",
    "decide_permission",
    "opened",
    "permission_question",
]
