"""The same fleet from a coroutine: what talks to a session is awaited, the rest has twins in `aio`.

Run: python examples/fleet_async.py
"""

import asyncio
from collections.abc import AsyncIterator

import beam


async def think_aloud(prompt: str) -> AsyncIterator[str]:
    """Say the words of the prompt one by one, on the fleet's loop."""
    for word in prompt.split():
        await asyncio.sleep(0)
        yield word


async def main() -> None:
    """Stream from one session while another one answers."""
    async with beam.Fleet(backends={"thinker": beam.function(think_aloud)}) as fleet:
        first, second = [await fleet.aio.start_session(backend="thinker") for _ in range(2)]
        run = second.query("Summarise the change")
        async for message in first.stream("Fix the failing test"):
            print(message.type, message.content)
        print(await run)


if __name__ == "__main__":
    asyncio.run(main())
