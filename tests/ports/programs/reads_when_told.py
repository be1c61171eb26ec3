"""Say `ready`, read nothing until USR1 arrives, then say how many bytes stdin held."""

import signal
import sys

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print("ready", flush=True)
signal.sigwait([signal.SIGUSR1])
print(len(sys.stdin.buffer.read()), flush=True)
