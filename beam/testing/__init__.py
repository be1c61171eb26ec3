"""The test kit: schedulers to choose from, quiescence, and what waits for events without sleeping.

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
"""

from beam.testing.schedulers import SCHEDULERS, node_on
from beam.testing.settling import settle

__all__ = ["SCHEDULERS", "node_on", "settle"]
