"""Say `closed`, close stdout, and live on; with `stays`, a child of it still holds stdout."""

import os
import signal
import sys

print("closed", flush=True)
if sys.argv[1:] == ["stays"] and os.fork() == 0:
    while True:
        signal.pause()
os.close(1)
while True:
    signal.pause()
