"""asyncio by hand: a task and a queue for each actor, a done-callback as supervisor. A floor."""

from __future__ import annotations

import asyncio

from workloads import ALIVE, AsAsked, Deeds, Peer, main


class Gone(Exception):
    pass


class Actor(Deeds):
    def __init__(self, ended=None):
        self.begin()
        self.mail = asyncio.Queue()
        self.task = asyncio.get_running_loop().create_task(self.live())
        if ended is not None:
            self.task.add_done_callback(ended)

    async def live(self):
        try:
            while (mail := await self.mail.get()) is not None:
                (operation, argument), answer = mail
                if operation == "chain":
                    value = await self.chain(argument)
                else:
                    value = getattr(self, operation)(argument)
                if answer is not None:
                    answer.set_result(value)
        except AsAsked:
            while not self.mail.empty():
                _, answer = self.mail.get_nowait()
                if answer is not None:
                    answer.set_exception(Gone())

    def ask(self, message):
        answer = asyncio.get_running_loop().create_future()
        self.mail.put_nowait((message, answer))
        return answer

    async def chain(self, depth):
        return depth if self.next is None else await self.next.ask(("chain", depth + 1))

    def token(self, hops):
        if hops:
            self.next.mail.put_nowait((("token", hops - 1), None))
        else:
            self.count += 1


class Tasks(Peer):
    gone = (Gone,)

    async def spawn(self, count):
        actors = [Actor() for _ in range(count)]
        await actors[-1].ask(ALIVE)
        return actors

    async def stop(self, actors):
        for actor in actors:
            actor.mail.put_nowait(None)
        for actor in actors:
            await actor.task

    async def ask(self, actor, message):
        return await actor.ask(message)

    def door(self, actor, operation):
        return lambda argument: actor.ask((operation, argument))

    async def tell(self, actor, message):
        actor.mail.put_nowait((message, None))

    async def tells(self, actors, message, times):
        for _ in range(times):
            for actor in actors:
                actor.mail.put_nowait((message, None))

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)

    async def supervise(self, count):
        self.children = [None] * count

        def start(at):
            self.children[at] = Actor(lambda _: start(at))

        for at in range(count):
            start(at)
        return range(count)

    async def ask_child(self, child, message):
        return await self.children[child].ask(message)

    async def tell_child(self, child, message):
        await self.tell(self.children[child], message)

    async def together(self, works):
        await asyncio.gather(*works)

    async def after(self, delay, actor, message):
        loop = asyncio.get_running_loop()
        return loop.call_later(delay, actor.mail.put_nowait, (message, None))

    async def cancel(self, timer):
        timer.cancel()


main(Tasks(), asyncio.run)
