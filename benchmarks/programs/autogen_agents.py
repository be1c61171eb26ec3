"""autogen-core's SingleThreadedAgentRuntime: no supervision, no timers, agents cannot be stopped.

To send is to publish to a topic of one subscriber: the only way it has to want no answer.
"""

import asyncio
import dataclasses
import os
from typing import Any

os.environ["AUTOGEN_DISABLE_RUNTIME_TRACING"] = "true"

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    message_handler,
)
from workloads import Deeds, Peer, main


@dataclasses.dataclass
class Message:
    operation: str
    argument: Any


class Actor(Deeds, RoutedAgent):
    def __init__(self):
        RoutedAgent.__init__(self, "benchmark")
        self.begin()

    @message_handler
    async def on(self, message: Message, ctx: MessageContext) -> Any:
        operation, argument = message.operation, message.argument
        if operation == "chain":
            if self.next is None:
                return argument
            further = Message("chain", argument + 1)
            return await self.send_message(further, AgentId("actor", self.next))
        if operation == "token":
            if argument:
                further = Message("token", argument - 1)
                await self.publish_message(further, TopicId("topic", self.next))
            else:
                self.count += 1
            return None
        return getattr(self, operation)(argument)


class Agents(Peer):
    lacks = {
        "starts": "agents cannot be stopped",
        **dict.fromkeys(("crash", "storm"), "no supervision"),
        **dict.fromkeys(("timers", "firing"), "no timers"),
    }
    made = 0

    async def open(self):
        self.runtime = SingleThreadedAgentRuntime()
        await Actor.register(self.runtime, "actor", Actor)
        await self.runtime.add_subscription(TypeSubscription("topic", "actor"))
        self.runtime.start()

    async def spawn(self, count):
        self.made += count
        keys = [f"key-{n}" for n in range(self.made - count, self.made)]
        for key in keys:
            await self.runtime.get(AgentId("actor", key), lazy=False)
        return keys

    async def ask(self, actor, message):
        return await self.runtime.send_message(Message(*message), AgentId("actor", actor))

    async def tell(self, actor, message):
        await self.runtime.publish_message(Message(*message), TopicId("topic", actor))

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)

    async def together(self, works):
        await asyncio.gather(*works)


main(Agents(), asyncio.run)
