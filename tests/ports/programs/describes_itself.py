"""Write, as one line of JSON, what this process was given by who started it."""

import json
import os
import signal

print(
    json.dumps(
        {
            "cwd": os.getcwd(),
            "env": dict(os.environ),
            "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1],
            "session": os.getsid(0) == os.getpid(),
            "group": os.getpgid(0) == os.getpid(),
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        }
    ),
    flush=True,
)
