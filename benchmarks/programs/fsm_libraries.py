"""python-statemachine and transitions: a turnstile, called directly, without an actor.

Run: python programs/fsm_libraries.py machine [statemachine|transitions]
"""

from __future__ import annotations

import sys

from measure import drive, rate, say


def of_statemachine():
    from statemachine import State, StateMachine

    class Turnstile(StateMachine):
        locked = State(initial=True)
        opened = State()
        coin = locked.to(opened)
        push = opened.to(locked)

    return Turnstile()


def of_transitions():
    from transitions import Machine

    class Turnstile:
        pass

    turnstile = Turnstile()
    moves = [["coin", "locked", "opened"], ["push", "opened", "locked"]]
    Machine(turnstile, states=["locked", "opened"], initial="locked", transitions=moves)
    return turnstile


async def main():
    turnstile = {"statemachine": of_statemachine, "transitions": of_transitions}[sys.argv[2]]()

    async def op(count):
        for _ in range(count // 2):
            turnstile.coin()
            turnstile.push()

    say("events a second", await rate(op))


drive(main())
