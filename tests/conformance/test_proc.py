"""Processes do what those of Erlang/OTP 25 were recorded to do."""

from __future__ import annotations

from tests.conformance.recorded import chunks, failures, on_every_scheduler


@on_every_scheduler
@chunks
def test_processes_do_what_was_recorded(scheduler: str, chunk: int) -> None:
    assert failures("proc", scheduler, chunk) == {}
