"""Pykka's ThreadingActor: a thread for each actor. No supervision; its timers are `threading`'s."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pykka
from workloads import ALIVE, Deeds, Peer, main

logging.disable()
# A thread for each actor asks for a stack; the default of 8 MB is only reserved.
threading.stack_size(256 * 1024)


class Actor(Deeds, pykka.ThreadingActor):
    use_daemon_thread = True

    def __init__(self):
        pykka.ThreadingActor.__init__(self)
        self.begin()

    def on_receive(self, message):
        return getattr(self, message[0])(message[1])

    def chain(self, depth):
        return depth if self.next is None else self.next.ask(("chain", depth + 1))

    def token(self, hops):
        if hops:
            self.next.tell(("token", hops - 1))
        else:
            self.count += 1


class Threads(Peer):
    timers = 10_000
    lacks = {
        "starts-100k": "22,000 threads are the most",
        **dict.fromkeys(("crash", "storm"), "no supervision"),
    }

    async def spawn(self, count):
        actors = [Actor.start() for _ in range(count)]
        actors[-1].ask(ALIVE)
        return actors

    async def stop(self, actors):
        for future in [actor.stop(block=False) for actor in actors]:
            future.get()

    async def ask(self, actor, message):
        return actor.ask(message)

    async def asks(self, actor, message, count):
        ask = actor.ask
        for _ in range(count):
            ask(message)

    async def ask_all(self, actors, message):
        futures = [actor.ask(message, block=False) for actor in actors]
        return [future.get(timeout=60) for future in futures]

    async def tell(self, actor, message):
        actor.tell(message)

    async def tells(self, actors, message, times):
        for _ in range(times):
            for actor in actors:
                actor.tell(message)

    async def sleep(self, seconds):
        time.sleep(max(0.0, seconds))

    async def together(self, works):
        def run(work: Any) -> None:
            try:
                work.send(None)
            except StopIteration:
                return

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    async def after(self, delay, actor, message):
        timer = threading.Timer(delay, actor.tell, (message,))
        timer.daemon = True
        timer.start()
        return timer

    async def cancel(self, timer):
        timer.cancel()


main(Threads())
