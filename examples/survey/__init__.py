"""The demo's survey of the Python standard library: tasks, two agents and their shared analysis."""
