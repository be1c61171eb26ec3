"""What all tests share: hypothesis's settings, at the volume of this run, and Ctrl-C."""

import signal

from hypothesis import HealthCheck, settings

from tests.volume import STRESS

# `node` and `scheduler`: a test that asks for one of them runs on every scheduler.
pytest_plugins = ["beam.testing.fixtures", "tests.simulation.totals"]

# A shell starts what is to run in the background with Ctrl-C ignored, and so do its children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Deadlines off: two loaded cores say nothing about a slow example; pytest's hang limit bounds it.
settings.register_profile(
    "beam",
    deadline=None,
    max_examples=1000 if STRESS else 50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("beam")
