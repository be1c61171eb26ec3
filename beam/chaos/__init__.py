"""Fault injection: breaking a fleet on purpose, from a seed, to see that nothing is lost."""

from beam.chaos.kills import Kills, parse_chaos

__all__ = ["Kills", "parse_chaos"]
