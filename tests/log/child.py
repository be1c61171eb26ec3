"""A process that writes to a log until it is killed, saying what was acknowledged.

`child.py PATH DURABILITY MODE PREFIX COUNT`. Each line that it prints is an acknowledged append,
"STREAM SEQUENCE ID" for each record, written whole. MODE says how it writes:

- `single`: one record after the other;
- `threads`: eight threads, each appends of one to five records, some not waited for;
- `reopen`: closes and opens the log again all the time;
- `hold`: opens it and waits for the end of its input.

COUNT is how many appends a thread makes before it closes the log; 0 for no end.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from itertools import count
from typing import TYPE_CHECKING

from beam.log import Record, SqliteStore

if TYPE_CHECKING:
    from beam.log import StoredRecord


def say(answer: list[StoredRecord]) -> None:
    """Acknowledge, in one write, which a pipe takes whole."""
    words = " ".join(f"{each.stream} {each.sequence} {each.id}" for each in answer)
    os.write(1, f"{words}\n".encode())


def answered(answer: list[StoredRecord] | BaseException) -> None:
    if isinstance(answer, list):
        say(answer)


def records(prefix: str, stream: str, n: int, size: int) -> list[Record]:
    body = '{"text": "' + "x" * (n % 700) + '"}'
    return [Record(f"{prefix}-{stream}-{n}-{k}", stream, "said", n, body) for k in range(size)]


def write(store: SqliteStore, prefix: str, stream: str, numbers: range | count[int]) -> None:
    chance = random.Random(f"{prefix}{stream}")
    for n in numbers:
        given = records(prefix, stream, n, chance.randint(1, 5))
        if chance.random() < 0.2:
            store.append(
                given, lambda answer: say(answer) if isinstance(answer, list) else None, 60
            )
        else:
            say(store.append_wait(given, timeout=60))


def main(path: str, durability: str, mode: str, prefix: str, times: int) -> None:
    os.write(1, b"begun\n")
    numbers = range(times) if times else count()
    if mode == "reopen":
        for n in numbers:
            with SqliteStore.open(path, durability=durability) as store:
                say(store.append_wait(records(prefix, "a", n, 20)))
        return
    with SqliteStore.open(path, durability=durability) as store:
        if mode == "hold":
            os.write(1, b"open\n")
            sys.stdin.read()
        elif mode == "single":
            for n in numbers:
                say(store.append_wait(records(prefix, "a", n, 1)))
        else:
            work = [
                threading.Thread(target=write, args=(store, prefix, f"s{k}", numbers))
                for k in range(8)
            ]
            for each in work:
                each.start()
            for each in work:
                each.join()


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]))
