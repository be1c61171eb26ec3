"""thespian's simpleSystemBase: all actors in the caller's thread, its fastest."""

from __future__ import annotations

import time

from thespian.actors import Actor, ActorExitRequest, ActorSystem, ChildActorExited, WakeupMessage
from workloads import ALIVE, Deeds, Peer, main

QUIET = {"version": 1, "root": {"level": "CRITICAL", "handlers": []}}


class Worker(Deeds, Actor):
    def __init__(self):
        self.begin()
        self.waiting = []

    def receiveMessage(self, message, sender):
        if isinstance(message, WakeupMessage):
            message = message.payload
        if type(message) is not tuple:
            return
        operation, argument = message
        if operation == "chain":
            # Its actors cannot wait for an answer: the way back is a message, too.
            if self.next is None:
                self.send(sender, ("back", argument))
            else:
                self.waiting.append(sender)
                self.send(self.next, ("chain", argument + 1))
        elif operation == "back":
            self.send(self.waiting.pop(0), message)
        elif operation == "token":
            if argument:
                self.send(self.next, ("token", argument - 1))
            else:
                self.count += 1
        elif operation == "later":
            self.wakeupAfter(*argument)
        elif operation in ("add", "due"):
            getattr(self, operation)(argument)
        else:
            self.send(sender, (operation, getattr(self, operation)(argument)))


class Parent(Actor):
    """What thespian tells of a child's end; to start another is its user's own code."""

    def __init__(self):
        self.children = []

    def receiveMessage(self, message, sender):
        if isinstance(message, ChildActorExited):
            at = self.children.index(message.childAddress)
            self.children[at] = self.createActor(Worker)
        elif type(message) is tuple:
            what, number = message
            if what == "start":
                self.children = [self.createActor(Worker) for _ in range(number)]
                self.send(sender, ("started", number))
            else:
                self.send(sender, ("child", self.children[number]))


class Gone(Exception):
    pass


class Simple(Peer):
    gone = (Gone,)
    lacks = {"timers": "a wakeup cannot be cancelled", "table-4": "one caller only"}

    async def open(self):
        self.system = ActorSystem("simpleSystemBase", None, logDefs=QUIET)

    async def spawn(self, count):
        actors = [self.system.createActor(Worker) for _ in range(count)]
        self.asked(actors[-1], ALIVE)
        return actors

    async def stop(self, actors):
        for actor in actors:
            self.system.tell(actor, ActorExitRequest())

    def asked(self, actor, message):
        answer = self.system.ask(actor, message, 10)
        if type(answer) is not tuple:
            raise Gone(repr(answer))
        return answer[1]

    async def ask(self, actor, message):
        return self.asked(actor, message)

    async def asks(self, actor, message, count):
        for _ in range(count):
            self.asked(actor, message)

    async def tell(self, actor, message):
        self.system.tell(actor, message)

    async def tells(self, actors, message, times):
        tell = self.system.tell
        for _ in range(times):
            for actor in actors:
                tell(actor, message)

    async def sleep(self, seconds):
        if seconds > 0.05:
            self.system.listen(seconds)
        elif seconds > 0:
            time.sleep(seconds)

    async def supervise(self, count):
        self.parent = self.system.createActor(Parent)
        self.system.ask(self.parent, ("start", count), 60)
        self.dead = {}
        return range(count)

    async def ask_child(self, child, message):
        actor = self.asked(self.parent, ("child", child))
        if actor == self.dead.get(child):
            raise Gone
        return self.asked(actor, message)

    async def tell_child(self, child, message):
        # What an actor raises is only tried again: its end is the nearest thing to a crash.
        actor = self.dead[child] = self.asked(self.parent, ("child", child))
        self.system.tell(actor, ActorExitRequest())

    async def together(self, works):
        for work in works:
            try:
                work.send(None)
            except StopIteration:
                continue

    async def after(self, delay, actor, message):
        self.system.tell(actor, ("later", (delay, message)))


main(Simple())
