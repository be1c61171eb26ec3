"""Telemetry: what the fleet does, for whoever wants to measure it; nothing, if nobody does.

    >>> heard = []
    >>> detach = attach(("routing",), lambda event, measured, about: heard.append(event))
    >>> emit(("routing", "select_backend", "stop"), {"duration": 0.1}, {"backend": "claude"})
    >>> detach()
    >>> emit(("routing", "select_backend", "stop"), {"duration": 0.1}, {})
    >>> heard
    [('routing', 'select_backend', 'stop')]

An event is a name (a tuple of words), measurements and metadata; the table below is a contract, and
grows only. A function that is attached runs at once, in the process and on the thread where the
event happens, so it must be quick and must not block. What it raises is reported once
(`telemetry_handler_failed`) and detaches it: no listener breaks what it listens to.

| event | measurements | metadata |
|---|---|---|
| `routing, select_backend, start` | system_time | request |
| `routing, select_backend, stop` | duration | backend, policy, candidate_count, fallback_count, \
reason_count, decision (`allow`) |
| `routing, select_backend, exception` | duration | reason; decision `deny`, if a policy denied |
| `session, state_change` | system_time | agent, session_id, from_state (`None` at first), \
to_state |
| `agent, query, start` | system_time | agent, session_id, run_id, prompt_length |
| `agent, query, stop` | duration | agent, session_id, run_id, how (`completed`, `failed`, \
`interrupted`) |
| `agent, query, exception` | system_time | agent, session_id, run_id, reason |
| `run, state_change` | system_time | run_id, kind, from_state (`created` at first), to_state |
| `step, state_change` | system_time | step_id, run_id, kind, from_state, to_state |
| `loop, request, start` | system_time | model, agent_id; either may be `None` |
| `loop, request, stop` | duration, turns, tokens | terminal, stop_reason |
| `loop, request, exception` | duration; turns and tokens, if known | reason |
| `loop, turn, start` | system_time | model, agent_id |
| `loop, turn, stop` | duration, tokens | turn, terminal, stop_reason |
| `loop, turn, exception` | duration | reason |
| `loop, tool_uses` | tool_use_count | turn, tool_use_ids |
| `loop, duplicate_tool_use` | count | turn |
| `loop, terminal` | turns | terminal (`end_turn`, `terminated`) |
| `loop, tool, start` | system_time | tool, tool_use_id |
| `loop, tool, stop` | duration | tool, tool_use_id, is_error |
| `loop, tool, exception` | duration | tool, tool_use_id; it was given up |
| `loop, stream, connected` | | |
| `loop, stream, event` | | type |
| `loop, stream, done` | | |
| `loop, stream, error` | | reason |
| `loop, reconnect` | delay | |
| `provider, provision, start` | system_time | provider, name, digest |
| `provider, provision, poll` | polls | provider, phase (`ready`, `delete`), status |
| `provider, provision, stop` | duration | provider, name, digest, agent_id |
| `provider, provision, exception` | duration | provider, name, digest, reason |

The metadata of `loop` events has session_id, provider and request_id too, and what the caller gave
to be told (`telemetry_metadata`). A request is a prompt or an outcome through all of its turns; its
request_id is `None` before it and after it. *Tokens* are input_tokens, output_tokens,
cache_read_tokens, cache_write_tokens and reasoning_tokens, which do not overlap; none of them,
where the provider did not say. A reason is a word, such as `timeout`, `halted` or `status_503`.

`beam.tracing` makes spans of OpenTelemetry from these events.

`agent` is the name of the session's backend; each attempt of a run is a query. One that is cut
short or runs out of time *stops*; an *exception* is one that lost its agent (`cli_exit`, ...) or
its session's process (`session_crashed`), and that may be told when the next process begins.

`system_time` is in seconds since 1970, `duration` in seconds, both of the node's clock. Events hold
no secrets and no prompts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from beam.logger import Logger

__all__ = ["attach", "emit", "listening"]

Event = tuple[str, ...]
Handler = Callable[[Event, Mapping[str, Any], Mapping[str, Any]], object]

_log = Logger("beam.telemetry")
_lock = threading.Lock()
# Replaced as a whole, so that those who emit need no lock. Bounded by who attaches.
_handlers: tuple[tuple[Event, Handler], ...] = ()


def attach(prefix: Event, handler: Handler) -> Callable[[], None]:
    """Have a function hear of every event whose name begins with the prefix.

    Args:
        prefix: the first words of the names; empty for all events.
        handler: `(event, measurements, metadata)`; see the module for who runs it.

    Returns:
        What detaches it again; a second time changes nothing.
    """
    global _handlers  # noqa: PLW0603 - one bus for the program, as there is one log of it
    entry = (tuple(prefix), handler)
    with _lock:
        _handlers = (*_handlers, entry)
    return lambda: _detach(entry)


def listening() -> bool:
    """Say whether anybody listens to anything; then an event is worth putting together."""
    return bool(_handlers)


def emit(event: Event, measurements: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """Tell everybody who listens to it of an event; run by whom it happens to."""
    for entry in _handlers:
        prefix, handler = entry
        if event[: len(prefix)] != prefix:
            continue
        try:
            handler(event, measurements, metadata)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the listener's
            _detach(entry)
            _log.warning("telemetry_handler_failed", telemetry_event=event, error=repr(error))


def _detach(entry: tuple[Event, Handler]) -> None:
    global _handlers  # noqa: PLW0603 - as above
    with _lock:
        _handlers = tuple(one for one in _handlers if one is not entry)
