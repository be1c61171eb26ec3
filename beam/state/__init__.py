"""What is known of each session besides its log: query defaults, configuration, tasks, requests.

Most of it is values: frozen, each of one session, a row of a table whose owner puts the next value
in place of the last. A change returns the next value and, where something happened that others are
told of, a `ControlEvent`. Times are arguments, in Unix milliseconds, and whoever runs a handler
reports its `Outcome`.

    >>> from beam.state import PendingRequests
    >>> pending, event = PendingRequests("session_1").stored("req_1", {"token": "x"}, at=1000)
    >>> event.as_message()["request"]["token"]
    'redacted'

The owners are the processes `control` (`Control`), `runtime` (`RuntimeState`), `runs` (`Runs`) and
`store` (`SessionStore`), with a `TableKeeper` that holds a table while its owner restarts:
`state_children` is the tree of them. Everybody reads without asking them: `ControlReads`,
`RuntimeReads`, `RunsReads`, and `SessionHistory` and `ThreadHistory`, which ask for changes, too.

What is read for showing (`view`, `views`, `as_message`) has no secrets in it; what is read for
working with it has.
"""

from typing import TYPE_CHECKING

from beam.late import late

if TYPE_CHECKING:
    from beam.state.callbacks import Callbacks
    from beam.state.control import PERMISSION_TIMEOUT, Control
    from beam.state.control_event import ControlEvent
    from beam.state.control_rows import CONTROL, ControlReads
    from beam.state.feedback import Feedback
    from beam.state.keeper import KEEPER, TableKeeper, TableOwner, table_of
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
    from beam.state.runs import RUNS, Runs, RunsReads
    from beam.state.runtime_state import RUNTIME, RuntimeReads, RuntimeState
    from beam.state.session_config import SessionConfig
    from beam.state.session_history import SessionHistory
    from beam.state.store import SessionStore
    from beam.state.store_rows import STORE
    from beam.state.stored_session import SessionMeta
    from beam.state.stored_thread import Thread
    from beam.state.task_records import TaskRecord, TaskRecords
    from beam.state.thread_history import ThreadHistory
    from beam.state.tree import state_children
    from beam.state.user_input import PendingInput, concluded, opened
    from beam.state.vault import Vault
    from beam.state.waiting_runs import WaitingRuns

__all__ = [
    "CONTROL",
    "KEEPER",
    "PERMISSION_TIMEOUT",
    "RUNS",
    "RUNTIME",
    "STORE",
    "Answered",
    "Approval",
    "Callbacks",
    "Control",
    "ControlEvent",
    "ControlReads",
    "Failed",
    "Feedback",
    "Outcome",
    "PendingInput",
    "PendingRequest",
    "PendingRequests",
    "QueryDefaults",
    "Question",
    "Runs",
    "RunsReads",
    "RuntimeReads",
    "RuntimeState",
    "SessionConfig",
    "SessionHistory",
    "SessionMeta",
    "SessionStore",
    "TableKeeper",
    "TableOwner",
    "TaskRecord",
    "TaskRecords",
    "Thread",
    "ThreadHistory",
    "TimedOut",
    "Vault",
    "WaitingRuns",
    "approval_question",
    "concluded",
    "decide_approval",
    "decide_permission",
    "opened",
    "permission_question",
    "state_children",
    "table_of",
]

__getattr__ = late(
    __name__,
    {
        "CONTROL": "control_rows",
        "KEEPER": "keeper",
        "PERMISSION_TIMEOUT": "control",
        "RUNS": "runs",
        "RUNTIME": "runtime_state",
        "STORE": "store_rows",
        "Answered": "outcome",
        "Approval": "permission",
        "Callbacks": "callbacks",
        "Control": "control",
        "ControlEvent": "control_event",
        "ControlReads": "control_rows",
        "Failed": "outcome",
        "Feedback": "feedback",
        "Outcome": "outcome",
        "PendingInput": "user_input",
        "PendingRequest": "pending_requests",
        "PendingRequests": "pending_requests",
        "QueryDefaults": "query_defaults",
        "Question": "permission",
        "Runs": "runs",
        "RunsReads": "runs",
        "RuntimeReads": "runtime_state",
        "RuntimeState": "runtime_state",
        "SessionConfig": "session_config",
        "SessionHistory": "session_history",
        "SessionMeta": "stored_session",
        "SessionStore": "store",
        "TableKeeper": "keeper",
        "TableOwner": "keeper",
        "TaskRecord": "task_records",
        "TaskRecords": "task_records",
        "Thread": "stored_thread",
        "ThreadHistory": "thread_history",
        "TimedOut": "outcome",
        "Vault": "vault",
        "WaitingRuns": "waiting_runs",
        "approval_question": "permission",
        "concluded": "user_input",
        "decide_approval": "permission",
        "decide_permission": "permission",
        "opened": "user_input",
        "permission_question": "permission",
        "state_children": "tree",
        "table_of": "keeper",
    },
)
