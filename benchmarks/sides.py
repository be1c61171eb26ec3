"""Who is measured, at what, and how each is started."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
VENVS = Path(os.environ.get("BENCH_VENVS") or HERE.parent / ".bench-venvs")

UNITS = (
    "starts-10k",
    "starts-100k",
    "calls",
    "chain",
    "ring",
    "pingpong",
    "casts",
    "fanout",
    "crash-1",
    "crash-100",
    "crash-10k",
    "storm",
    "table",
    "timers",
    "firing",
    "machine",
    "growth",
    "flat",
)
ONCE = ("growth", "flat")
"""Units of one round: they compare within themselves."""

_OURS = {
    "table": "beam_tables.py",
    "machine": "beam_machines.py",
    "growth": "beam_growth.py",
    "flat": "beam_growth.py",
}
_LIBRARIES = {
    "triotp": ("triotp", "triotp_servers.py"),
    "xoscar": ("xoscar", "xoscar_pool.py"),
    "thespian": ("thespian", "thespian_simple.py"),
    "autogen-core": ("autogen", "autogen_agents.py"),
    "ray": ("ray", "ray_actors.py"),
}
_MACHINES = {"python-statemachine": "statemachine", "transitions": "transitions"}

PYTHON_PEERS = ("Pykka", "triotp", "xoscar", "thespian", "ray", "autogen-core")
SLOW = ("autogen-core", "ray")
"""Far behind in every unit: one round of them is enough."""
SIDES = ("beam", *PYTHON_PEERS, "asyncio", "dict under a lock", *_MACHINES, "Erlang")


def command(side: str, unit: str) -> list[str] | None:
    """Return what measures a unit of a side; `None` if the side has no such unit.

    Raises:
        FileNotFoundError: if the side is not installed.
    """
    if side == "beam":
        return [sys.executable, str(PROGRAMS / _OURS.get(unit, "beam_otp.py")), unit]
    if unit in ONCE:
        return None
    if side in ("dict under a lock", *_MACHINES):
        return _special(side, unit)
    if side == "Erlang":
        return _erlang(unit)
    if unit == "machine":
        return None
    if side in _LIBRARIES:
        venv, program = _LIBRARIES[side]
        return [_python(venv), str(PROGRAMS / program), unit]
    program = "pykka_threads.py" if side == "Pykka" else "asyncio_tasks.py"
    return [sys.executable, str(PROGRAMS / program), unit]


def _special(side: str, unit: str) -> list[str] | None:
    if side == "dict under a lock":
        return [sys.executable, str(PROGRAMS / "dict_lock.py")] if unit == "table" else None
    if unit != "machine":
        return None
    return [_python("machines"), str(PROGRAMS / "fsm_libraries.py"), unit, _MACHINES[side]]


def _erlang(unit: str) -> list[str]:
    beam = VENVS / "erlang"
    if shutil.which("erl") is None or not (beam / "erlang_otp.beam").exists():
        raise FileNotFoundError("erl is not on the PATH, or benchmarks/setup.sh has not been run")
    flags = ["-noshell", "+P", "2000000", "-pa", str(beam)]
    return ["erl", *flags, "-run", "erlang_otp", "main", unit]


def _python(venv: str) -> str:
    python = VENVS / venv / "bin" / "python"
    if not python.exists():
        raise FileNotFoundError("benchmarks/setup.sh has not been run")
    return str(python)
