"""Benchmarks: figures of one run, as ratios, against Pykka and against ourselves."""
