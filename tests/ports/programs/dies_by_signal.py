"""End by KILL, from its own hand, after one line."""

import os
import signal

print("last words", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
