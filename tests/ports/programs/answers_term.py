"""Say `ready`; on TERM say `bye` and exit with status 3; on INT say `interrupted`."""

import os
import signal
import sys
from types import FrameType


def on_term(number: int, frame: FrameType | None) -> None:
    os.write(1, b"bye\n")
    sys.exit(3)


# No `print`: the signal may come while the first one has not returned, and print is not reentrant.
signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted\n"))
os.write(1, b"ready\n")
while True:
    signal.pause()
