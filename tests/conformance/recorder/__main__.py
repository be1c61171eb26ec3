"""Write scenarios, one a line: `python -m tests.conformance.recorder ets 2000 [--wild]`."""

from __future__ import annotations

import argparse
import json

from tests.conformance.recorder.generate_ets import table_program
from tests.conformance.recorder.generate_statem import state_machine

MAKERS = {"ets": table_program, "statem": state_machine}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser("python -m tests.conformance.recorder", description=__doc__)
    parser.add_argument("subject", choices=sorted(MAKERS))
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--wild", action="store_true", help="everything that the format has")
    options = parser.parse_args()
    for seed in range(options.first, options.first + options.count):
        scenario = MAKERS[options.subject](seed, wild=options.wild)
        print(json.dumps(scenario, separators=(",", ":")))


if __name__ == "__main__":
    main()
