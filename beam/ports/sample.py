"""What a tree uses, for limits and views.

    >>> import os
    >>> sample = sample_trees({"tests": os.getppid()})["tests"]
    >>> os.getpid() in sample.pids, sample.rss > 0, sample.cpu > 0
    (True, True, True)

One look at the process table serves any number of trees. A process that ends during the look is
left out. Memory that processes share is counted for each of them, as `ps` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from beam.ports.processes import Table, descendants, snapshot

__all__ = ["TreeSample", "sample_trees"]


@dataclass(frozen=True, slots=True)
class TreeSample:
    """What the processes below a keeper use; the keeper itself is not counted.

    Attributes:
        pids: the living processes, parents before children.
        rss: their resident memory in bytes.
        cpu: the seconds of processor time that they and their ended children have used; it does
            not shrink when one of them ends.
    """

    pids: tuple[int, ...]
    rss: int
    cpu: float


def sample_trees(roots: Mapping[str, int]) -> dict[str, TreeSample]:
    """Measure the trees below these pids. Blocks for some milliseconds; any thread but the loop's.

    Args:
        roots: the pid of each tree's keeper, by a name.

    Returns:
        The samples, by the same names; an empty tree has an empty sample.
    """
    table = snapshot()
    return {name: _sample(table, root) for name, root in roots.items()}


def _sample(table: Table, root: int) -> TreeSample:
    living = [each.pid for each in descendants(table, root) if not each.zombie]
    uses = {pid: use for pid in living if (use := _use(pid)) is not None}
    reaped = _use(root)
    return TreeSample(
        pids=tuple(uses),
        rss=sum(use.rss for use in uses.values()),
        cpu=sum(use.own + use.children for use in uses.values())
        + (reaped.children if reaped else 0.0),
    )


@dataclass(frozen=True, slots=True)
class _Use:
    rss: int
    own: float
    children: float


def _use(pid: int) -> _Use | None:
    # Half of the starts of the command have no program to look at.
    import psutil  # noqa: PLC0415

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            rss = process.memory_info().rss
    except psutil.Error:
        return None
    # Systems without the times of reaped children report none.
    children = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return _Use(rss, times.user + times.system, children)
