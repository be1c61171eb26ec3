"""Supervisors do what `supervisor` of OTP 25 was recorded to do."""

from __future__ import annotations

from tests.conformance.recorded import chunks, failures, on_every_scheduler


@on_every_scheduler
@chunks
def test_supervisors_do_what_was_recorded(scheduler: str, chunk: int) -> None:
    assert failures("supervisor", scheduler, chunk) == {}
