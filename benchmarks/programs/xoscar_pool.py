"""xoscar: actors in the main process of a pool, by refs that were looked up: its fastest path."""

from __future__ import annotations

import asyncio
import logging

import xoscar
from workloads import Deeds, Peer, main

logging.disable()

ADDRESS = "127.0.0.1"


class Actor(Deeds, xoscar.Actor):
    def __init__(self):
        xoscar.Actor.__init__(self)
        self.begin()

    async def chain(self, depth):
        return depth if self.next is None else await self.next.chain(depth + 1)

    async def token(self, hops):
        if hops:
            await self.next.token.tell(hops - 1)
        else:
            self.count += 1


class Pool(Peer):
    lacks = dict.fromkeys(("crash", "storm"), "restarts processes, not actors")

    async def open(self):
        self.pool = await xoscar.create_actor_pool(ADDRESS, n_process=0)

    async def spawn(self, count):
        address = self.pool.external_address
        actors = [await xoscar.create_actor(Actor, address=address) for _ in range(count)]
        if count <= 1_000:
            actors = [await xoscar.actor_ref(actor) for actor in actors]
        await actors[-1].echo(1)
        return actors

    async def stop(self, actors):
        for actor in actors:
            await xoscar.destroy_actor(actor)

    async def ask(self, actor, message):
        return await getattr(actor, message[0])(message[1])

    def door(self, actor, operation):
        return getattr(actor, operation)

    async def tell(self, actor, message):
        await getattr(actor, message[0]).tell(message[1])

    async def tells(self, actors, message, times):
        methods, argument = [getattr(actor, message[0]) for actor in actors], message[1]
        for _ in range(times):
            for method in methods:
                await method.tell(argument)

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)

    async def together(self, works):
        await asyncio.gather(*works)

    async def after(self, delay, actor, message):
        return getattr(actor, message[0]).tell_delay(message[1], delay=delay)

    async def cancel(self, timer):
        timer.cancel()


main(Pool(), asyncio.run)
