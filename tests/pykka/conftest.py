"""Pykka's tests run in a pytest of their own, see `outcomes.py`."""

collect_ignore = ["vendored"]
