"""Record scenarios on the real Erlang/OTP: `python -m tests.conformance.recorder.record`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.conformance.compare import differences
from tests.conformance.recorder import proc_scenarios, supervisor_scenarios
from tests.conformance.recorder.order import proc_steps, supervisor_steps

HERE = Path(__file__).parent
GENERATORS = {
    "supervisor": supervisor_scenarios.scenario,
    "proc": proc_scenarios.scenario,
}
ORDERS = {"supervisor": supervisor_steps, "proc": proc_steps}
# How often each scenario is run, on how many of Erlang's schedulers; those whose runs differ in
# more than is left open are dropped.
RUNS = (1, 1, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser("python -m tests.conformance.recorder.record")
    parser.add_argument("subject", choices=sorted(GENERATORS))
    parser.add_argument("out", type=Path, metavar="OUT.jsonl")
    parser.add_argument("--seed", type=int, default=0, help="of the first scenario")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--replay", type=Path, help="record the scenarios of a file instead")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        given = [json.loads(line) for line in options.replay.read_text().splitlines()]
    else:
        seeds = range(options.seed, options.seed + options.count)
        given = [GENERATORS[options.subject](seed) for seed in seeds]
    kept = list(recorded(options.subject, given))
    with options.out.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(one, separators=(",", ":")) + "\n" for one in kept)
    print(f"{len(kept)} recorded, {len(given) - len(kept)} dropped", file=sys.stderr)
    return 0


def recorded(subject: str, scenarios: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the scenarios with the trace that all runs agree on."""
    runs = [_run(subject, scenarios, schedulers) for schedulers in RUNS]
    for scenario in scenarios:
        plain = {key: value for key, value in scenario.items() if key != "trace"}
        traces = [run.get(str(scenario["id"])) for run in runs]
        if None in traces or "badkey" in str(traces):
            print(f"{scenario['id']}: a run failed", file=sys.stderr)
            continue
        if "skipped" in traces[0]:
            taken = [at for at, step in enumerate(traces[0]) if step != "skipped"]
            plain["steps"] = [plain["steps"][at] for at in taken]
            traces = [[step for step in trace if step != "skipped"] for trace in traces]
        golden = {**plain, "trace": ORDERS[subject](plain, traces[0])}
        found = [one for trace in traces for one in differences(subject, golden, trace or ())]
        if found:
            print(f"{scenario['id']}: runs differ: {found[0]}", file=sys.stderr)
        else:
            yield golden


def _run(subject: str, scenarios: Sequence[dict[str, Any]], schedulers: int) -> dict[str, Any]:
    """Return what Erlang observed, by the scenarios' ids."""
    with tempfile.TemporaryDirectory() as place:
        sources = sorted(map(str, HERE.glob("rec*.erl")))
        subprocess.run(["erlc", "-o", place, *sources], check=True)
        given, out = Path(place, "in"), Path(place, "out")
        given.write_text("".join(f"{erlang(_input(one))}.\n" for one in scenarios), "utf-8")
        count = f"{schedulers}:{schedulers}"
        command = ["erl", "-noshell", "+S", count, "-pa", place, "-run", "rec", "main"]
        subprocess.run([*command, subject, str(given), str(out)], check=True)
        lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return {line["id"]: line["trace"] for line in lines}


def _input(scenario: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in scenario.items() if key not in ("seed", "tags", "trace")}


def erlang(value: Any) -> str:
    """Return JSON as Erlang's term: objects as maps, text as atoms."""
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case list():
            return f"[{_joined(map(erlang, value))}]"
        case dict():
            return (
                f"#{{{_joined(f'{erlang(key)} => {erlang(one)}' for key, one in value.items())}}}"
            )
    raise TypeError(value)


def _joined(parts: Iterable[str]) -> str:
    return ",".join(parts)


if __name__ == "__main__":
    sys.exit(main())
