"""OTP for AI agents: supervised fleets of agent sessions, in one Python process.

Two doors: `beam.Fleet` for people who run agents, `beam.otp` for people who build supervised
actors.
"""

from beam import errors, otp
from beam._foreign import ForeignWarning, warn_if_foreign
from beam.backends import Backend, command, function
from beam.fleet import Fleet
from beam.model import Message, allow, deny
from beam.otp import whereis

__version__ = "0.1.0"

__all__ = [
    "Backend",
    "Fleet",
    "ForeignWarning",
    "Message",
    "allow",
    "command",
    "deny",
    "errors",
    "function",
    "otp",
    "whereis",
]

warn_if_foreign()
