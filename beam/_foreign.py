"""Tell when another distribution's `beam` is in the way of this one.

Two other distributions on PyPI also install a package and a command named `beam`: `beam`, a client
for the SolusVM API, and `beam-client`, the client of a cloud service. Installed into one
environment they write into the same directory and the same script; each file is whose that was
installed last.

Two looks at it. `warn_if_foreign` runs at `import beam`: one directory listing and one `stat` for
each entry of `sys.path`; no metadata is read. `foreign_distributions` and `foreign_command` read
all the metadata there is and the command on PATH; `beam doctor` prints what they find.

    >>> print(Foreign("beam-client", "0.2", "/site-packages", package=True, command=True))
    beam-client 0.2 in /site-packages: the package and the command `beam`

Limit: where the foreign distribution was installed last, `import beam` runs its code and not ours,
and nothing here can say so. `python -m beam` is ours whenever `import beam` is.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from importlib.metadata import Distribution
    from pathlib import Path

__all__ = [
    "Foreign",
    "ForeignWarning",
    "foreign_command",
    "foreign_distributions",
    "warn_if_foreign",
]

OURS = "beam-fleet"
"""The name of this distribution, normalised."""

KNOWN = ("beam", "beam-client")
"""The distributions known to install a package and a command `beam`, normalised."""

REMEDY = (
    "Keep one of them in an environment: uninstall the other, then `pip install "
    f"--force-reinstall --no-deps {OURS}`, because shared files go with what is uninstalled."
)

_MARKER = "_foreign.py"
_SCRIPT_IMPORT = b"from beam.cli import main\n"
_SCRIPT_BYTES = 4096


class ForeignWarning(RuntimeWarning):
    """Another distribution's `beam` is in the way; the message names it and the remedy."""


class Foreign(NamedTuple):
    """A distribution, not this one, that installs a package or a command named `beam`.

    Attributes:
        name: its name, normalised.
        version: its version, as its metadata has it.
        where: the directory it is installed in.
        package: whether it installs a package `beam`.
        command: whether it installs a command `beam`.
    """

    name: str
    version: str
    where: str
    package: bool
    command: bool

    def __str__(self) -> str:
        parts = ["the package"] * self.package + ["the command"] * self.command
        return f"{self.name} {self.version} in {self.where}: {' and '.join(parts)} `beam`"


def warn_if_foreign() -> None:
    """Warn if another distribution's `beam` is next to this one or elsewhere on `sys.path`.

    Runs once, on the thread that imports `beam` first. A file system that cannot be read is no
    reason for an import to fail: it is passed over.

    Warns:
        ForeignWarning: with all that was found, in one warning.
    """
    here = os.path.dirname(os.path.dirname(__file__))
    found = [*_neighbours(here), *_other_packages(sys.path)]
    if found:
        what = "; ".join(found)
        text = f"not the only `beam` here: {what}. {REMEDY} `python -m beam doctor` says more."
        warnings.warn(text, ForeignWarning, stacklevel=2)


def foreign_distributions(path: Sequence[str] | None = None) -> list[Foreign]:
    """List the distributions, other than this one, that install a package or a command `beam`.

    Reads the metadata of every distribution: tens of milliseconds, more in a large environment.

    Args:
        path: the directories to search; `sys.path` unless given.

    Returns:
        What was found, in the order of `path`, each distribution of a directory once.
    """
    from importlib.metadata import distributions  # noqa: PLC0415 - 8 ms, not for `import beam`

    found = distributions() if path is None else distributions(path=list(path))
    foreign = (_foreign(each) for each in found)
    return list(dict.fromkeys(each for each in foreign if each is not None))


def foreign_command(path: str | None = None) -> Path | None:
    """Find the command `beam` that a shell would run, if it is not ours.

    Args:
        path: directories as in the variable PATH, which is read unless given.

    Returns:
        The file, or `None` if the command is ours or there is none.
    """
    # As above: `import beam` is not to import the archives that `shutil` knows.
    import shutil  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    command = shutil.which("beam", path=path)
    if command is None:
        return None
    try:
        with Path(command).open("rb") as file:
            ours = _SCRIPT_IMPORT in file.read(_SCRIPT_BYTES)
    except OSError:
        ours = False
    return None if ours else Path(command)


def _neighbours(directory: str) -> Iterator[str]:
    """Name the known distributions whose metadata is in the directory that holds our package."""
    try:
        with os.scandir(directory) as listing:
            entries = sorted(entry.name for entry in listing)
    except OSError:
        return
    for entry in entries:
        stem, dot, kind = entry.rpartition(".")
        name, _, version = stem.partition("-")
        if dot and kind in {"dist-info", "egg-info"} and _normalised(name) in KNOWN:
            yield f"{_normalised(name)} {version} is installed into {directory}, too"


def _other_packages(path: Iterable[str]) -> Iterator[str]:
    """Name the packages `beam` on the path that are no copy of this one."""
    for entry in dict.fromkeys(path):
        package = os.path.join(entry, "beam")
        code, marker = (os.path.join(package, one) for one in ("__init__.py", _MARKER))
        if os.path.isfile(code) and not os.path.isfile(marker):
            yield f"another package is at {os.path.abspath(package)}"


def _foreign(distribution: Distribution) -> Foreign | None:
    """Return what a distribution has named `beam`; `None` for ours, and if it has nothing."""
    # A directory whose metadata was half deleted has no name (`None`), whatever the type says.
    name = _normalised(str(distribution.metadata["Name"] or ""))
    if name in {OURS, ""}:
        return None
    package = _has_package(distribution)
    command = any(
        entry.group == "console_scripts" and entry.name == "beam"
        for entry in distribution.entry_points
    )
    if not package and not command:
        return None
    where = str(distribution.locate_file(""))
    return Foreign(name, distribution.version, where, package, command)


def _has_package(distribution: Distribution) -> bool:
    # RECORD is searched as text: parsed by the library, that of a large distribution takes seconds.
    if "beam" in (distribution.read_text("top_level.txt") or "").split():
        return True
    return re.search(r"^\"?beam/", distribution.read_text("RECORD") or "", re.MULTILINE) is not None


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
