"""Names of what is provisioned: a base that people know, and a digest of the content.

    >>> fitted("Code reviewer", "9f86d081", 40, LETTERS)
    'Code_reviewer_9f86d081'
    >>> short = fitted("x" * 100, "9f86d081", 40, LETTERS)
    >>> len(short), short.endswith("_9f86d081"), base_of(short)
    (40, True, 'xxxxxxxxxxxxxxxxxxxxxx_bd897c35')

The digest is never cut. Of a base that is too long a digest of its own is kept, so that two with
one long beginning stay two.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["ANY_TEXT", "DIGEST", "LETTERS", "base_of", "digest_of", "fitted", "fitted_base"]

DIGEST: Final = 8
"""The hexadecimal digits of a digest in a name."""

LETTERS: Final = re.compile(r"[^A-Za-z0-9_]")
"""What may not be in a name of letters, digits and underscores; it begins with a letter."""

ANY_TEXT: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What may not be in a name that is text, such as what UTF-8 cannot encode."""

_SUFFIXED = re.compile(rf"(?s)(.+)_([0-9a-f]{{{DIGEST}}})")


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the digest of JSON data, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:DIGEST]


def fitted(base: str, digest: str, limit: int, forbidden: re.Pattern[str]) -> str:
    """Return a name of a base and a digest.

    Args:
        base: what people call it.
        digest: 8 hexadecimal digits.
        limit: the most bytes of the name, in UTF-8; from 24.
        forbidden: the characters that become underscores.
    """
    return f"{fitted_base(base, limit, forbidden)}_{digest}"


def fitted_base(base: str, limit: int, forbidden: re.Pattern[str]) -> str:
    """Return the base as it stands in a name."""
    room = limit - DIGEST - 1
    clean = forbidden.sub("_", base)
    if forbidden is LETTERS and not clean[:1].isalpha():
        clean = f"a{clean}"
    if len(clean.encode()) <= room:
        return clean
    kept = clean.encode()[: room - DIGEST - 1].decode("utf-8", "ignore")
    return f"{kept}_{digest_of({'base': base})}"


def base_of(name: object) -> str | None:
    """Return the base of a name that ends in a digest; None if it does not."""
    found = _SUFFIXED.fullmatch(name) if isinstance(name, str) else None
    return found[1] if found else None
