"""The test kit: a simulation, every scheduler, quiescence, and waiting without sleeping.

>>> from beam.otp import Server
>>> class Counter(Server):
...     def init(self):
...         self.count = 0
...     def handle_cast(self, by):
...         self.count += by
>>> for scheduler in SCHEDULERS:
...     with node_on(scheduler):
...         counter = Counter.start()
...         for _ in range(100):
...             counter.cast(1)
...         settle()
...         counter.proxy().count.get()
100
100
100

`Simulation(seed)` is a world in which a seed decides who is next and what goes wrong; `simulate`
makes a test of a scenario in it, `explore` looks for a seed that fails. `beam.testing.fixtures` has
pytest fixtures; `python -m beam.testing MODULE:SCENARIO` runs a scenario under many seeds.
"""

from beam.otp.virtual_time import VirtualClock
from beam.testing.conformance import BackendConformance
from beam.testing.exploring import Totals, explore, simulate
from beam.testing.faults import Fault
from beam.testing.history import History
from beam.testing.plan import Plan
from beam.testing.probes import Probe
from beam.testing.programs import Program, SimulatedHarbour
from beam.testing.schedulers import SCHEDULERS, node_on
from beam.testing.scripted import AgentError, Turn, scripted
from beam.testing.settling import settle
from beam.testing.simulation import Simulation

__all__ = [
    "SCHEDULERS",
    "AgentError",
    "BackendConformance",
    "Fault",
    "History",
    "Plan",
    "Probe",
    "Program",
    "SimulatedHarbour",
    "Simulation",
    "Totals",
    "Turn",
    "VirtualClock",
    "explore",
    "node_on",
    "scripted",
    "settle",
    "simulate",
]
