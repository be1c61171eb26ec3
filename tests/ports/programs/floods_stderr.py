"""Write as many megabytes to stderr as the first argument says, then `done` to both."""

import sys

for number in range(int(sys.argv[1]) * 1024):
    sys.stderr.write(f"{number:>1022} \n")
sys.stderr.write("done é\n")
print("done", flush=True)
