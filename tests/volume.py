"""How much of a named volume a test runs: a twentieth in `make test`, all in `make stress`."""

import os

STRESS = os.environ.get("BEAM_STRESS") == "1"


def scaled(full: int) -> int:
    """Return the volume to run where the acceptance names `full`."""
    return full if STRESS else max(1, full // 20)
