"""Names of parametrised tests: what a value looks like, without where in memory it is.

Workers that run tests side by side must agree on every name.
"""

import re

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def shown(value: object) -> str:
    """Return the repr of `value` as it is in every process."""
    return _ADDRESS.sub("", repr(value))
