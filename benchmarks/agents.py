"""What the fleet adds to a real agent: from the query to the first that is streamed of its answer.

    make bench-agents                                 # each agent beside its bare client, one run
    python -m benchmarks.agents claude codex          # some of them

Both sides ask the same scripted model, on loopback, and hold one warm agent each; they take turns,
so that both see the same machine. Printed is the median of each, and their ratio.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import beam
from beam.providers.chat import chat
from beam.providers.messages import messages
from beam.providers.responses import responses
from beam.sessions.loop_backend import provider_backend
from benchmarks.programs import agents_bare
from tests.agents import fake_model
from tests.agents.programs import program

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from beam.backends.backend import Backend

ROUNDS = int(os.environ.get("ROUNDS", "15"))
PROMPT = "[[say hello]]"
PATIENCE = 60.0
STREAMED = ("text", "stream_event", "assistant")


class Loop:
    """An event loop on a thread of its own, for the bare clients."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine there, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)


def backends(url: str, folder: Path) -> dict[str, Callable[[], Backend]]:
    """Return how each agent is made a backend of, by name."""
    base, key = f"{url}/v1", {"OPENAI_API_KEY": "dummy", "ANTHROPIC_API_KEY": "dummy"}
    os.environ.update(key)
    return {
        "claude": lambda: beam.backends.claude(
            model=agents_bare.CLAUDE_MODEL, env=agents_bare.claude_env(url)
        ),
        "codex": lambda: beam.backends.codex(
            home=folder / "codex-ours",
            config_overrides=agents_bare.codex_overrides(url),
            env={"LOCAL_KEY": "dummy"},
        ),
        **{
            name: lambda name=name: getattr(beam.backends, name)(
                # The arguments of both sides are the same; beam adds those that follow.
                command=[*program(name).command(), *_of_the_user(name)],
                env=agents_bare.acp_env(name, url, folder / name),
            )
            for name in ("gemini", "opencode", "copilot")
        },
        "chat": lambda: provider_backend(chat("fake", base_url=base)),
        "messages": lambda: provider_backend(messages("fake", base_url=url)),
        "responses": lambda: provider_backend(responses("fake", base_url=base)),
    }


@contextmanager
def model_server() -> Iterator[str]:
    """Run the scripted model in a process of its own, which neither side pays for."""
    command = [sys.executable, fake_model.__file__]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.kill()


def _of_the_user(name: str) -> list[str]:
    arguments = agents_bare.ACP_ARGUMENTS[name]
    return list(arguments[arguments.index("-m") :]) if "-m" in arguments else []


def _command(name: str) -> list[str]:
    return [*program(name).command(), *agents_bare.ACP_ARGUMENTS[name]]


def ours(session: Any) -> float:
    """Return the seconds from a query to the first message that is streamed of its answer."""
    began = time.perf_counter()
    took = 0.0
    for message in session.stream(PROMPT):
        if not took and message.type in STREAMED:
            took = time.perf_counter() - began
    return took


def compare(name: str, url: str, folder: Path, loop: Loop) -> tuple[float, float]:
    """Return the median seconds of the bare client, and of the fleet."""
    (folder / "work").mkdir(exist_ok=True, parents=True)
    for side in ("codex-ours", "codex-bare"):
        (folder / side).mkdir(exist_ok=True)
    bare = agents_bare.CLIENTS[name](url, folder, _command if name in ACP else None)
    with beam.Fleet(folder / f"{name}.db", backends={name: backends(url, folder)[name]()}) as fleet:
        session = fleet.start_session(backend=name, cwd=str(folder / "work"), init_timeout=PATIENCE)
        loop.run(bare.open())
        figures: dict[str, list[float]] = {"bare": [], "ours": []}
        for number in range(ROUNDS + 2):
            sides = [
                ("bare", lambda: loop.run(bare.first(PROMPT))),
                ("ours", lambda: ours(session)),
            ]
            for side, measure in sides if number % 2 else reversed(sides):
                took = measure()
                if number >= 2:  # The first ones warm up.
                    figures[side].append(took)
        loop.run(bare.close())
    return statistics.median(figures["bare"]), statistics.median(figures["ours"])


ACP = ("gemini", "opencode", "copilot")


def main(names: list[str]) -> None:
    """Measure and print."""
    loop = Loop()
    print(f"{'agent':<12}{'bare ms':>10}{'fleet ms':>10}{'ratio':>8}")
    for name in names or list(agents_bare.CLIENTS):
        with tempfile.TemporaryDirectory() as folder, model_server() as url:
            bare, fleet = compare(name, url, Path(folder), loop)
        print(
            f"{name:<12}{bare * 1000:>10.1f}{fleet * 1000:>10.1f}{fleet / bare:>8.2f}", flush=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
