"""How much of a named volume a test runs: all in `make stress`, a small part in `make test`."""

import os

STRESS = os.environ.get("BEAM_STRESS") == "1"


def scaled(full: int, part: int = 30) -> int:
    """Return the volume to run where the acceptance names `full`.

    Args:
        full: how many in `make stress`.
        part: which part of them in `make test`: a thirtieth, or less of what takes long.
    """
    return full if STRESS else max(1, full // part)
