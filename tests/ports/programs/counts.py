"""Write the numbers from 0 up to the first argument, one a line; report on stderr what is out.

With `--wait`, wait after the last.
"""

import signal
import sys

for number in range(int(sys.argv[1])):
    print(number, flush=True)
if "--wait" in sys.argv:
    while True:
        signal.pause()
