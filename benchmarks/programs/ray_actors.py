"""ray: an OS process for each actor, in a private cluster of this machine; so few units only."""

from __future__ import annotations

import logging
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": HERE}

import ray
from workloads import ALIVE, UNITS, Deeds, Peer, main


class Actor(Deeds):
    def __init__(self):
        self.begin()

    def do(self, message):
        return getattr(self, message[0])(message[1])

    def chain(self, depth):
        if self.next is None:
            return depth
        return ray.get(self.next.do.remote(("chain", depth + 1)))

    def token(self, hops):
        if hops:
            self.next.do.remote(("token", hops - 1))
        else:
            self.count += 1


class Actors(Peer):
    lacks = {
        unit: "a process for each actor"
        for unit in UNITS
        if unit not in ("calls", "chain", "pingpong", "casts")
    }

    async def open(self):
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            object_store_memory=100 << 20,
        )
        self.kind = ray.remote(num_cpus=0)(Actor)

    async def spawn(self, count):
        actors = [self.kind.remote() for _ in range(count)]
        ray.get([actor.do.remote(ALIVE) for actor in actors])
        return actors

    async def ask(self, actor, message):
        return ray.get(actor.do.remote(message))

    async def tell(self, actor, message):
        actor.do.remote(message)

    async def sleep(self, seconds):
        pass

    async def close(self):
        sys.stdout.flush()
        ray.shutdown()


main(Actors())
