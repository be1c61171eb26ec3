"""Agents and model providers as backends: one module, or a few, for each kind.

A backend turns what one agent speaks into the unified messages of `beam.model`. It knows nothing
of supervision or storage: those are above and below.
"""
