"""`beam.sessions.claims`: one reader of a run at a time, as long as there is somebody who reads."""

from __future__ import annotations

import gc
import threading

import pytest

from beam.errors import SessionRefused
from beam.sessions.claims import Claims


class Reader:
    reading = True


def test_another_reader_is_refused_while_the_first_one_reads():
    claims, first, second = Claims(), Reader(), Reader()
    claims.take("run", first)
    claims.take("run", first)
    with pytest.raises(SessionRefused) as refused:
        claims.take("run", second)
    assert (refused.value.reason, refused.value.run_id) == ("receiver_taken", "run")
    claims.take("another run", second)


def test_a_reader_that_has_stopped_reading_holds_nothing():
    claims, first, second = Claims(), Reader(), Reader()
    claims.take("run", first)
    first.reading = False
    claims.take("run", second)
    first.reading = True
    with pytest.raises(SessionRefused):
        claims.take("run", first)


def test_a_reader_that_nobody_has_any_more_holds_nothing():
    claims = Claims()
    claims.take("run", Reader())
    gc.collect()
    claims.take("run", Reader())


def test_claims_go_with_their_readers():
    claims = Claims()
    readers = [Reader() for _ in range(100)]
    for number, reader in enumerate(readers):
        claims.take(f"run {number}", reader)
    assert len(claims) == 100
    del readers, reader
    gc.collect()
    assert len(claims) == 0


def test_of_many_who_want_to_read_at_once_one_may():
    claims, readers = Claims(), [Reader() for _ in range(16)]
    begin, granted = threading.Barrier(len(readers)), []

    def take(reader):
        begin.wait()
        try:
            claims.take("run", reader)
        except SessionRefused:
            return
        granted.append(reader)

    threads = [threading.Thread(target=take, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 1
