"""Run Pykka's tests on `beam.otp`, and say what docs/pykka.md does not: `python -m tests.pykka`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.pykka.outcomes import listed, run


def main() -> int:
    """Print the outcomes; return 1 if they are not those that the page lists."""
    with tempfile.TemporaryDirectory() as directory:
        passed = run(Path(directory) / "outcomes.json")
    known = listed()
    failed = {test for test, good in passed.items() if not good}
    for test in sorted(failed):
        print(f"failed: {test}: {known.get(test, 'NOT LISTED')}")
    for test in sorted(known.keys() - failed):
        print(f"listed, and {'passed' if test in passed else 'no test'}: {test}")
    print(f"{len(passed) - len(failed)} passed, {len(failed)} failed, {len(known)} listed")
    return int(failed != known.keys())


if __name__ == "__main__":
    sys.exit(main())
