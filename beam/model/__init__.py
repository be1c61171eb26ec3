"""The vocabulary of the fleet: messages, events, sessions, runs, permissions, as frozen values.

    >>> from beam.model import Message, normalize
    >>> normalize({"type": "text", "content": "Hello"}, timestamp=5).content
    'Hello'

Pure data and pure functions: nothing here starts a thread, reads a clock, draws a random number
or touches a file. Time and randomness are arguments. Times are Unix milliseconds.

| module | what |
|---|---|
| `messages` | what a session says |
| `blocks`, `conversion` | the pieces of a message, and the ways from one to the other |
| `wire` | the edge where agents' JSON becomes messages |
| `message_record`, `records`, `encoding` | the values as JSON data, and as canonical JSON text |
| `events` | what the log keeps |
| `sessions`, `runs` | where a session and a run stand, and where a run may go |
| `permissions` | what an agent asks to do, and what it is told |
| `capabilities` | what each kind of backend can do |
| `redaction`, `masking` | secrets taken out of data, and out of text |
| `identifiers` | how things are named |
"""

from typing import TYPE_CHECKING

from beam.late import late

if TYPE_CHECKING:
    from beam.model.events import Event
    from beam.model.messages import (
        AssistantMessage,
        ControlMessage,
        ErrorMessage,
        Message,
        RateLimitMessage,
        ResultMessage,
        SystemMessage,
        ToolMessage,
        UserMessage,
        is_terminal,
    )
    from beam.model.permissions import Allow, Deny, PermissionRequest, allow, deny
    from beam.model.redaction import redact
    from beam.model.runs import RunInfo
    from beam.model.sessions import SessionInfo
    from beam.model.wire import normalize

__all__ = [
    "Allow",
    "AssistantMessage",
    "ControlMessage",
    "Deny",
    "ErrorMessage",
    "Event",
    "Message",
    "PermissionRequest",
    "RateLimitMessage",
    "ResultMessage",
    "RunInfo",
    "SessionInfo",
    "SystemMessage",
    "ToolMessage",
    "UserMessage",
    "allow",
    "deny",
    "is_terminal",
    "normalize",
    "redact",
]

__getattr__ = late(
    __name__,
    {
        "Allow": "permissions",
        "AssistantMessage": "messages",
        "ControlMessage": "messages",
        "Deny": "permissions",
        "ErrorMessage": "messages",
        "Event": "events",
        "Message": "messages",
        "PermissionRequest": "permissions",
        "RateLimitMessage": "messages",
        "ResultMessage": "messages",
        "RunInfo": "runs",
        "SessionInfo": "sessions",
        "SystemMessage": "messages",
        "ToolMessage": "messages",
        "UserMessage": "messages",
        "allow": "permissions",
        "deny": "permissions",
        "is_terminal": "messages",
        "normalize": "wire",
        "redact": "redaction",
    },
)
