"""Conformance: scenarios that were recorded on real Erlang/OTP 25, played on `beam.otp`.

    python -m tests.conformance supervisor FILE... [--scheduler pool|thread|simulation]

- `data/` holds the recorded traces, `check.py` the rules of comparison that came with them.
- `terms` maps Erlang's terms to Python's values, and back.
- `supervisor`, `statem`, `ets`, `proc` each play the scenarios of one subject.
- `stage` plays many at once; `compare` holds what was observed against what was recorded.
"""
