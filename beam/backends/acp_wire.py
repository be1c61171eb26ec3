"""What is in an object of the Agent Client Protocol, whoever has written it.

>>> object_in({"agentInfo": "none"}, "agentInfo"), objects_in({"modes": [{"id": 1}, 2]}, "modes")
({}, [{'id': 1}])
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Wire", "object_in", "objects_in"]

Wire = Mapping[str, Any]


def object_in(source: Wire, name: str) -> Wire:
    """Return the object under a name; an empty one if there is none."""
    value = source.get(name)
    return value if isinstance(value, Mapping) else {}


def objects_in(source: Wire, name: str) -> list[Wire]:
    """Return the objects in the list under a name; none if there is no list."""
    value = source.get(name)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
