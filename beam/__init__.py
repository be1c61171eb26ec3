"""OTP for AI agents: supervised fleets of agent sessions, in one Python process."""

from beam import otp
from beam.otp import whereis

__version__ = "0.1.0"

__all__ = ["otp", "whereis"]
