"""Write back each line of stdin, and `end` at its end."""

import sys

for line in sys.stdin.buffer:
    sys.stdout.buffer.write(line)
    sys.stdout.flush()
print("end", flush=True)
