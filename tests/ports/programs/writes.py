"""Write a line of as many bytes as each argument says; `half` last for no final newline."""

import sys

sizes = sys.argv[1:]
half = sizes[-1:] == ["half"]
for size in sizes[: -1 if half else None]:
    sys.stdout.buffer.write(b"x" * int(size) + b"\n")
if half:
    sys.stdout.buffer.write(b"half a line")
sys.stdout.flush()
