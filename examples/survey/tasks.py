"""The survey's tasks: one for each of some hundred modules of this machine's standard library.

    >>> first = tasks(200)[0]
    >>> sorted(first), first["prompt"].startswith(f"Survey the module {first['id']} at ")
    (['id', 'prompt'], True)

As a program it prints them as JSON lines, the form that `beam run` takes:

    python examples/survey/tasks.py [COUNT] > tasks.jsonl

The choice is the same on every run on the same machine: the modules in the order of their names,
and of these `COUNT` evenly spread.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 240

# Tests, programs of others, and lib2to3, whose test data is broken Python on purpose.
SKIPPED = frozenset(
    ("__pycache__", "dist-packages", "idle_test", "lib2to3", "site-packages", "test", "tests")
)


def stdlib() -> Path:
    """Return the folder of the standard library, of the base installation in a virtual one."""
    return Path(sysconfig.get_path("stdlib")).resolve()


def modules(root: Path | None = None) -> list[tuple[str, Path]]:
    """Return the (dotted name, file) of all Python source modules below `root`, by name.

    A package stands for its `__init__.py`. Left out: what `SKIPPED` names, folders that are no
    packages, files whose name is no identifier, and links (a distributor's `sitecustomize`).
    """
    root = root or stdlib()
    found = ((_name(path.relative_to(root)), path) for path in _sources(root))
    return sorted((name, path) for name, path in found if name)


def tasks(count: int = COUNT, root: Path | None = None) -> list[dict[str, str]]:
    """Return `count` tasks (`id`: the module's name, `prompt`), fewer only where fewer are there.

    Raises:
        ValueError: `count` is less than 1.
    """
    if count < 1:
        raise ValueError(f"expected a count of 1 or more, got {count}")
    found = modules(root)
    count = min(count, len(found))
    chosen = (found[index * len(found) // count] for index in range(count))
    return [{"id": name, "prompt": f"Survey the module {name} at {path}"} for name, path in chosen]


def _name(relative: Path) -> str:
    parts = relative.with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    fit = all(part.isidentifier() and part not in SKIPPED for part in parts)
    return ".".join(parts) if fit else ""


def _sources(root: Path) -> Iterator[Path]:
    """Yield the source files of a folder and of the packages in it; others are not entered."""
    for folder, inside, files in os.walk(root):
        here = Path(folder)
        inside[:] = [one for one in inside if _is_package(here / one)]
        for name in files:
            path = here / name
            if name.endswith(".py") and path.is_file() and not path.is_symlink():
                yield path


def _is_package(folder: Path) -> bool:
    return folder.name not in SKIPPED and (folder / "__init__.py").is_file()


if __name__ == "__main__":
    for task in tasks(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT):
        print(json.dumps(task))
