"""triotp: gen_servers and a supervisor on trio. Its timers are tasks that sleep."""

from __future__ import annotations

import logbook
import trio
from triotp import gen_server, mailbox, supervisor
from workloads import ALIVE, Deeds, Peer, main


class Actor(Deeds):
    """The state of a gen_server."""

    def __init__(self):
        self.begin()

    async def do(self, message):
        operation, argument = message
        if operation == "chain":
            if self.next is None:
                return argument
            return await gen_server.call(self.next, ("chain", argument + 1))
        if operation == "token":
            if argument:
                await gen_server.cast(self.next, ("token", argument - 1))
            else:
                self.count += 1
            return None
        return getattr(self, operation)(argument)


class Callbacks:
    """What triotp takes for a module."""

    __name__ = "benchmark"

    async def init(self, _):
        return Actor()

    async def handle_call(self, message, _caller, actor):
        return gen_server.Reply(await actor.do(message)), actor

    async def handle_cast(self, message, actor):
        if message is None:
            return gen_server.Stop(), actor
        await actor.do(message)
        return gen_server.NoReply(), actor

    async def terminate(self, reason, actor):
        pass


MODULE = Callbacks()


class Servers(Peer):
    gone = (mailbox.MailboxDoesNotExist, trio.ClosedResourceError, trio.BrokenResourceError)
    lacks = {"starts-100k": "takes over half a minute"}
    made = 0

    def names(self, count):
        self.made += count
        return [f"server-{n}" for n in range(self.made - count, self.made)]

    async def up(self, names):
        while names[-1] not in mailbox.context_name_registry.get():
            await trio.sleep(0)
        await gen_server.call(names[-1], ALIVE)
        return names

    async def spawn(self, count):
        names = self.names(count)
        for name in names:
            self.nursery.start_soon(gen_server.start, MODULE, None, name)
        return await self.up(names)

    async def stop(self, actors):
        for name in actors:
            await gen_server.cast(name, None)
        while not mailbox.context_name_registry.get().keys().isdisjoint(actors):
            await trio.sleep(0)

    async def ask(self, actor, message):
        return await gen_server.call(actor, message)

    def door(self, actor, operation):
        return lambda argument: gen_server.call(actor, (operation, argument))

    async def tell(self, actor, message):
        await gen_server.cast(actor, message)

    async def sleep(self, seconds):
        await trio.sleep(max(0.0, seconds))

    async def together(self, works):
        async with trio.open_nursery() as nursery:
            for work in works:
                nursery.start_soon(_awaited, work)

    async def supervise(self, count):
        names = self.names(count)
        specs = [supervisor.child_spec(n, gen_server.start, [MODULE, None, n]) for n in names]
        options = supervisor.options(max_restarts=10**9, max_seconds=1)
        await self.nursery.start(supervisor.start, specs, options)
        return await self.up(names)

    async def after(self, delay, actor, message):
        scope = trio.CancelScope()

        async def wait():
            with scope:
                await trio.sleep(delay)
                await gen_server.cast(actor, message)

        self.nursery.start_soon(wait)
        return scope

    async def cancel(self, timer):
        timer.cancel()


async def _awaited(work):
    await work


def run(work):
    async def root():
        mailbox._init()
        async with trio.open_nursery() as peer.nursery:
            await work

    with logbook.NullHandler().applicationbound():
        trio.run(root)


peer = Servers()
main(peer, run)
