"""The file of a line that is too long."""

from pathlib import Path

from beam.ports import SpilledLine
from beam.ports.spill import Spill


def test_the_file_holds_the_pieces_in_order(tmp_path: Path) -> None:
    path = tmp_path / "line"
    spill = Spill(path, limit=100)
    spill.write(b"one ")
    spill.write(b"two")
    assert spill.finish(complete=True) == SpilledLine(path, 7)
    assert path.read_bytes() == b"one two"


def test_only_this_user_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "line"
    spill = Spill(path, limit=100)
    spill.write(b"secret")
    spill.finish(complete=True)
    assert path.stat().st_mode & 0o077 == 0


def test_what_is_over_the_limit_is_dropped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "line"
    spill = Spill(path, limit=6)
    for piece in (b"1234", b"5678", b"9"):
        spill.write(piece)
    assert spill.finish(complete=False) == SpilledLine(path, 6, dropped=3, complete=False)
    assert path.read_bytes() == b"123456"


def test_a_file_that_cannot_be_written_is_not_fatal(tmp_path: Path) -> None:
    path = tmp_path / "no such directory" / "line"
    spill = Spill(path, limit=100)
    spill.write(b"1234")
    assert spill.finish(complete=True) == SpilledLine(path, 0, dropped=4)
