"""What a user's class of processes may define, and what it finds taken."""

from __future__ import annotations

from beam.otp.limits import DECLARED

__all__ = ["CALLBACKS", "DECLARATIONS", "INSTEAD"]

# What it is meant to define, and a proxy does not offer.
CALLBACKS = frozenset(
    {
        "handle_call",
        "handle_cast",
        "handle_continue",
        "handle_event",
        "handle_info",
        "init",
        "terminate",
    }
)
# What it may set, to declare how its processes live.
DECLARATIONS = frozenset({"blocking", "settable", "trap_exit", *DECLARED})
# What a user of Pykka may look for, and what takes its place.
INSTEAD = {
    "on_failure": "terminate",
    "on_receive": "handle_call",
    "on_start": "init",
    "on_stop": "terminate",
}
