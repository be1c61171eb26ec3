"""`python -m beam.testing MODULE:SCENARIO`: run a scenario under many seeds, on all cores."""

from __future__ import annotations

import concurrent.futures
import importlib
import os
import shlex
import sys
import time
import traceback
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from beam.errors import InvalidInput
from beam.testing.exploring import TRIES, Totals, explore
from beam.testing.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable

# Seeds that a worker takes at once.
CHUNK = 20

app = App(name="python -m beam.testing", help_format="plaintext", version_flags=[])


def scenario_of(name: str) -> Any:
    """Return the scenario that `MODULE:FUNCTION` names, or the one of a test made of it.

    Raises:
        InvalidInput: if there is none.
    """
    module, _, function = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput("scenario", name, f"MODULE:FUNCTION ({error})") from error
    return getattr(found, "scenario", found)


def _chunk(name: str, plans: list[int | Plan], tries: int) -> tuple[Totals, str | None]:
    def again(plan: Plan) -> str:
        return f"python -m beam.testing {shlex.quote(name)} --plan {shlex.quote(str(plan))}"

    totals = Totals()
    for plan in plans:
        try:
            totals.add(explore(scenario_of(name), [plan], again=again, tries=tries))
        except Exception:  # noqa: BLE001 - that is what is looked for
            return totals, traceback.format_exc()
    return totals, None


@app.default
def run(
    scenario: str,
    *,
    seeds: int = 100,
    first: int = 0,
    plan: Annotated[str | None, Parameter(help="one run, as a failure names it")] = None,
    jobs: int = os.cpu_count() or 1,
    tries: int = TRIES,
) -> int:
    """Run a scenario under many seeds; print the totals, or the first failure.

    Args:
        scenario: MODULE:FUNCTION, called with each simulation.
        seeds: how many.
        first: the first of them.
        plan: one run instead.
        jobs: how many workers.
        tries: how often a failing run is run again to find a smaller one.
    """
    begun = time.perf_counter()
    totals = Totals()
    try:
        plans: list[int | Plan] = [Plan.parse(plan)] if plan else list(range(first, first + seeds))
        scenario_of(scenario)
    except InvalidInput as invalid:
        print(invalid, file=sys.stderr)  # noqa: T201 - a command
        return 2
    for part, failure in _parts(scenario, plans, jobs, tries):
        totals.add(part)
        if failure is not None:
            print(failure)  # noqa: T201
            return 1
    print(f"{totals}; {time.perf_counter() - begun:.1f} s; no failure")  # noqa: T201
    return 0


def _parts(
    name: str, plans: list[int | Plan], jobs: int, tries: int
) -> Iterable[tuple[Totals, str | None]]:
    chunks = [plans[at : at + CHUNK] for at in range(0, len(plans), CHUNK)]
    if jobs == 1 or len(chunks) == 1:
        yield from (_chunk(name, chunk, tries) for chunk in chunks)
        return
    with concurrent.futures.ProcessPoolExecutor(jobs) as workers:
        futures = [workers.submit(_chunk, name, chunk, tries) for chunk in chunks]
        try:
            for future in concurrent.futures.as_completed(futures):
                yield future.result()
        finally:
            workers.shutdown(wait=False, cancel_futures=True)


if __name__ == "__main__":
    sys.exit(app())
