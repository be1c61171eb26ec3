"""The command: play the scenarios of some files, and say which are not as recorded."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import structlog

from beam.testing import SCHEDULERS
from tests.conformance.compare import differences
from tests.conformance.stage import SUBJECTS, Outcome, outcomes, player

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Scenario = Mapping[str, Any]

# How many differences of one scenario are printed: the later ones follow from the first.
SHOWN = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0 all passed, 1 some failed, 2 wrong use."""
    options = _parser().parse_args(arguments)
    try:
        scenarios = [scenario for path in options.files for scenario in _read(path)]
        out = options.observed.open("w", encoding="utf-8") if options.observed else None
    except (OSError, ValueError) as error:
        print(f"tests.conformance: {error}", file=sys.stderr)
        return 2
    # Thousands of processes crash as they should; to render that takes longer than to play it.
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=silent)
    play = player(options.subject)
    observed = sorted(outcomes(play, scenarios, options.scheduler), key=lambda one: one.at)
    if out is not None:
        with out:
            _write(out, observed)
    pairs = zip(scenarios, observed, strict=True)
    failed = sum(not _passed(options.subject, *pair) for pair in pairs)
    print(f"{len(scenarios) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.conformance", description=__doc__)
    parser.add_argument("subject", choices=SUBJECTS)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="scenarios, one a line")
    parser.add_argument("--scheduler", choices=SCHEDULERS, default="pool")
    parser.add_argument("--observed", type=Path, metavar="OUT.jsonl", help="where to write traces")
    return parser


def _read(path: Path) -> Iterator[Scenario]:
    """Yield the scenarios of a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line of it is no scenario.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                scenario = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: no JSON: {error}") from error
            if not isinstance(scenario, dict) or "id" not in scenario:
                text = line.decode().strip()
                raise ValueError(f"{path}:{number}: no scenario, but {text[:60]}")
            trace = scenario.get("trace", [])
            if not isinstance(trace, list) or not all(isinstance(step, dict) for step in trace):
                raise ValueError(f"{path}:{number}: a trace that is no list of objects")
            yield scenario


def _write(out: TextIO, observed: Sequence[Outcome]) -> None:
    for one in observed:
        line: dict[str, Any] = {"id": one.id, "trace": one.trace}
        if one.error:
            line["error"] = one.error
        out.write(json.dumps(line) + "\n")


def _passed(subject: str, scenario: Scenario, outcome: Outcome) -> bool:
    """Compare one scenario, and print what is wrong with it."""
    if "trace" not in scenario:
        print(f"{outcome.id}: nothing to compare with: it has no trace")
        return False
    try:
        found = differences(subject, scenario, outcome.trace)
    except (LookupError, TypeError, AttributeError) as error:
        print(f"{outcome.id}: its trace is not of the format: {error!r}")
        return False
    if not found and not outcome.error:
        return True
    print(f"{outcome.id}:")
    for difference in found[:SHOWN]:
        print(_indented(str(difference)))
    if len(found) > SHOWN:
        print(f"  and {len(found) - SHOWN} more")
    if outcome.error:
        print(_indented(f"step {len(outcome.trace)} was not reached: {outcome.error.rstrip()}"))
    return False


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
