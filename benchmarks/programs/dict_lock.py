"""A dict of rows under a lock: what one would write without tables."""

from __future__ import annotations

import threading

from measure import drive, rate, say
from rows import KINDS, Rows, together


class Locked(Rows):
    def __init__(self, keys):
        self.rows = {key: (key, 0) for key in keys}
        self.lock = threading.Lock()

    def read(self, keys):
        rows, lock = self.rows, self.lock
        for key in keys:
            with lock:
                rows[key]

    def write(self, keys):
        rows, lock = self.rows, self.lock
        for key in keys:
            with lock:
                rows[key] = (key, 1)


async def main():
    for kind, keys in KINDS.items():
        rows = Locked(keys)
        for workers in (1, 4):
            for operation in ("read", "write"):
                op = together(getattr(rows, operation), keys, workers)
                say(f"{operation}s of {kind} keys a second, {workers} at once", await rate(op))


drive(main())
