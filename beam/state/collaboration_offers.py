"""What a fleet offers to those who work together in a session: constant, as data.

>>> [one["name"] for one in experimental_features({"features": ["universal_review"]})]
['universal_review']
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beam.errors import InvalidInput
from beam.state.control_event import SOURCE
from beam.state.review import STAGES

__all__ = ["experimental_features", "modes"]

_FEATURES = (
    "universal_review",
    "universal_realtime_text",
    "universal_realtime_audio_bridge",
)
_REALTIME = (
    "thread_realtime_start",
    "thread_realtime_append_text",
    "thread_realtime_append_audio",
    "thread_realtime_stop",
)


def modes(session_id: str) -> dict[str, Any]:
    """Return in which ways one can work together in a session."""
    return {
        "session_id": session_id,
        "source": SOURCE,
        "modes": [
            {"name": "solo", "capabilities": ["thread_management"]},
            {
                "name": "review",
                "stages": list(STAGES),
                "capabilities": ["review_start", "collaboration_mode_list"],
            },
            {
                "name": "realtime",
                "transports": ["universal", "mediated"],
                "capabilities": list(_REALTIME),
            },
        ],
    }


def experimental_features(opts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the features that may still change.

    Args:
        opts: `features`: only those of these names; `enabled`: only those that are, or are not.

    Raises:
        InvalidInput: an option is unknown, or not what it must be.
    """
    if not isinstance(opts, Mapping):
        raise InvalidInput("opts", opts, "a mapping")
    for key in opts:
        if key not in ("features", "enabled"):
            raise InvalidInput("opts", key, "only features and enabled")
    names, enabled = opts.get("features", _FEATURES), opts.get("enabled", True)
    if not isinstance(names, list | tuple):
        raise InvalidInput("features", names, "a list of names")
    if not isinstance(enabled, bool):
        raise InvalidInput("enabled", enabled, "True or False")
    found = [one for one in _FEATURES if enabled and one in names]
    return [{"name": one, "enabled": True, "source": SOURCE} for one in found]
