"""Control's checkpoint: what the log says of everything that it keeps, up to a position.

    >>> from beam.log import MemoryStore
    >>> from beam.otp import Node
    >>> from beam.state.control_past import CONTROL_TYPES, read_past
    >>> from beam.state.journal import Journal
    >>> with Node() as node, MemoryStore() as store:
    ...     journal = Journal(store, node)
    ...     _ = journal.append_wait([journal.event("feedback_submitted", "s", rating=5, seq=1)])
    ...     past = read_past(store.read_all(types=CONTROL_TYPES), now=0.0, at=0)
    >>> kept = data_of(past, Vault(), now=0.0, at=0)
    >>> past_of(kept, Vault(), now=0.0, at=0).feedback == past.feedback
    True

It is made of the log and not of the rows, which know more: handlers, and secrets that the log never
had. What the log has sealed is sealed here as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.model.records import to_record
from beam.policy import Profile
from beam.state.ask import Ask
from beam.state.control_past import Past
from beam.state.feedback import Feedback
from beam.state.past_settings import about
from beam.state.pending_requests import PendingRequest, PendingRequests
from beam.state.realtime import Realtime
from beam.state.requests import Requests
from beam.state.review import Review
from beam.state.run_records import RunRecord, RunWork, StepRecord, as_data
from beam.state.session_config import SessionConfig
from beam.state.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VERSION", "data_of", "past_of"]

VERSION = 1
"""The version of the shape of the data."""


def data_of(past: Past, vault: Vault, *, now: float, at: int) -> dict[str, Any]:
    """Return everything that was read of the log, as JSON data.

    Args:
        past: what was read, from the beginning on.
        vault: seals the secrets of the configuration.
        now: the time in seconds, on the clock of `Ask.deadline`.
        at: the same time in Unix milliseconds.
    """
    settings = past.settings
    return {
        "requests": [_requests_data(one, now, at) for one in past.requests.values()],
        "feedback": [
            [one.session_id, one.entries, one.last_seq, one.dropped]
            for one in past.feedback.values()
        ],
        "configs": [
            [session_id, _config_data(config, vault, about(session_id))]
            for session_id, config in settings.configs.items()
            if config.values
        ],
        "policies": [one.as_data() for one in settings.policies.values() if one is not None],
        "collaboration": [
            [*key, [one.as_data() for one in kept.values()]]
            for key, kept in past.collaboration.items()
            if kept
        ],
        "works": [
            [as_data(work.run), [as_data(step) for step in work.steps.values()]]
            for work in past.works.values()
        ],
    }


def past_of(data: Mapping[str, Any], vault: Vault, *, now: float, at: int) -> Past:
    """Return what `data_of` made the data of, for the events after it to be taken.

    The arguments are those of `data_of`, as they are now.
    """
    past = Past(None, vault)
    for session_id, entries, asks in data["requests"]:
        past.requests[session_id] = _requests_of(session_id, entries, asks, now, at)
    for session_id, said, last_seq, dropped in data["feedback"]:
        past.feedback[session_id] = Feedback(session_id, tuple(said), last_seq, dropped)
    for session_id, kept in data["configs"]:
        values: dict[str, Any] = {}
        for one in kept:
            values.update(vault.opened(one, about=about(session_id)))
        past.settings.configs[session_id] = SessionConfig(values)
    for one in data["policies"]:
        profile = Profile.from_data(one)
        past.settings.policies[profile.profile_id] = profile
    for kind, session_id, kept in data["collaboration"]:
        past.collaboration[kind, session_id] = _collaboration_of(kind, kept)
    for run, steps in data["works"]:
        known = [StepRecord(**step) for step in steps]
        work = RunWork(RunRecord(**run), {step.step_id: step for step in known})
        past.works[work.run.run_id] = work
    return past


def _config_data(config: SessionConfig, vault: Vault, whose: str) -> list[Any]:
    # One by one, so that they keep their order.
    return [vault.sealed({key: value}, about=whose) for key, value in config.values.items()]


def _collaboration_of(kind: str, kept: list[Any]) -> Mapping[str, Any]:
    if kind == "reviews":
        reviews = [Review.from_data(one) for one in kept]
        return {one.review_id: one for one in reviews}
    exchanges = [Realtime.from_data(one) for one in kept]
    return {one.thread_id: one for one in exchanges}


def _requests_data(requests: Requests, now: float, at: int) -> list[Any]:
    asks = [
        [request_id, ask.asks, at + (ask.deadline - now) * 1000, ask.timeout]
        for request_id, ask in requests.asks.items()
    ]
    entries = [to_record(entry) for entry in requests.pending.entries.values()]
    return [requests.session_id, entries, asks]


def _requests_of(
    session_id: str, entries: list[Any], asks: list[Any], now: float, at: int
) -> Requests:
    known = [PendingRequest(**entry) for entry in entries]
    return Requests(
        PendingRequests(session_id, {entry.request_id: entry for entry in known}),
        {
            request_id: Ask(kind, now + (until - at) / 1000, timeout)
            for request_id, kind, until, timeout in asks
        },
    )
