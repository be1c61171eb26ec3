"""The command line: `beam run`, `beam log`, `beam doctor`."""

from beam.cli.app import main

__all__ = ["main"]
