"""Close stdin, say `closed`, and live on."""

import os
import signal

os.close(0)
print("closed", flush=True)
while True:
    signal.pause()
