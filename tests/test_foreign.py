"""Another distribution's `beam` in the way: `import beam` and `beam doctor` say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import beam
from beam._foreign import Foreign, foreign_command, foreign_distributions

PACKAGE = Path(beam.__file__).parent
OUR_SCRIPT = "#!/usr/bin/python\nimport sys\nfrom beam.cli import main\nsys.exit(main())\n"
THEIR_SCRIPT = "#!/usr/bin/python\nimport sys\nfrom beam.cli.main import cli\nsys.exit(cli())\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory as an installer leaves it, with this package and its metadata in it."""
    directory = tmp_path / "site"
    directory.mkdir()
    (directory / "beam").symlink_to(PACKAGE)
    install(directory, "beam_fleet", "0.1.0", package=True, command=True)
    return directory


def install(
    site: Path, name: str, version: str, *, package: bool = False, command: bool = False
) -> None:
    """Write the metadata of a distribution that has a package or a command `beam`, or neither."""
    metadata = site / f"{name}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    if command:
        (metadata / "entry_points.txt").write_text("[console_scripts]\nbeam = beam.cli.main:cli\n")
    files = ["beam/__init__.py,,"] if package else ["rainbeam/__init__.py,,"]
    (metadata / "RECORD").write_text("\n".join([*files, f"{metadata.name}/RECORD,,"]))


def foreign_package(directory: Path) -> Path:
    """Write a package `beam` that is not ours into a directory of its own."""
    package = directory / "beam"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    return directory


def import_beam(*path: Path, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Import the `beam` of the first directory, twice, in a new interpreter with that path."""
    code = "import beam, importlib, beam._foreign; import beam; print(beam.__file__)"
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        cwd=path[0].parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def script(directory: Path, text: str) -> Path:
    """Write an executable file `beam` into a new directory."""
    directory.mkdir()
    command = directory / "beam"
    command.write_text(text)
    command.chmod(0o755)
    return command


def test_import_is_silent_where_nothing_foreign_is(site: Path) -> None:
    outcome = import_beam(site)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.strip() == str(site / "beam" / "__init__.py")


@pytest.mark.parametrize("metadata", ["beam-0.6.0.dist-info", "beam_client-0.2.233.dist-info"])
def test_import_warns_once_where_a_foreign_distribution_shares_the_directory(
    site: Path, metadata: str
) -> None:
    (site / metadata).mkdir()
    outcome = import_beam(site)
    name, _, version = metadata.removesuffix(".dist-info").replace("_", "-").rpartition("-")
    assert outcome.returncode == 0
    assert outcome.stderr.count("ForeignWarning") == 1
    assert f"{name} {version} is installed into {site}, too" in outcome.stderr
    assert "python -m beam" in outcome.stderr


def test_import_warns_of_a_foreign_package_elsewhere_on_the_path(
    site: Path, tmp_path: Path
) -> None:
    other = foreign_package(tmp_path / "other")
    outcome = import_beam(site, other)
    assert outcome.returncode == 0
    assert f"another package is at {other / 'beam'}" in outcome.stderr


def test_a_second_copy_of_this_package_is_not_foreign(site: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "beam").symlink_to(PACKAGE)
    assert import_beam(site, copy).stderr == ""


def test_the_warning_has_a_category_to_filter_by(site: Path) -> None:
    (site / "beam-0.6.0.dist-info").mkdir()
    silenced = import_beam(site, options=("-W", "ignore::RuntimeWarning"))
    raised = import_beam(site, options=("-W", "error::RuntimeWarning"))
    assert (silenced.returncode, silenced.stderr) == (0, "")
    assert raised.returncode == 1
    assert "ForeignWarning" in raised.stderr


def test_the_check_at_import_reads_no_metadata() -> None:
    code = (
        "import runpy, sys;"
        f"runpy.run_path({str(PACKAGE / '_foreign.py')!r})['warn_if_foreign']();"
        "assert 'importlib.metadata' not in sys.modules"
    )
    outcome = subprocess.run(
        [sys.executable, "-S", "-I", "-W", "ignore", "-c", code], timeout=60, check=False
    )
    assert outcome.returncode == 0


def test_foreign_distributions_are_listed_with_what_they_install(site: Path) -> None:
    install(site, "beam", "0.6.0", package=True, command=True)
    install(site, "sunbeam", "1.0", command=True)
    install(site, "x_ray.beam", "2.0", package=True)
    install(site, "moonbeam", "3.0")
    found = {each.name: each for each in foreign_distributions([str(site)])}
    where = str(site)
    assert found == {
        "beam": Foreign("beam", "0.6.0", where, package=True, command=True),
        "sunbeam": Foreign("sunbeam", "1.0", where, package=False, command=True),
        "x-ray-beam": Foreign("x-ray-beam", "2.0", where, package=True, command=False),
    }


def test_a_distribution_on_the_path_twice_is_listed_once(site: Path) -> None:
    install(site, "beam", "0.6.0", package=True)
    assert len(foreign_distributions([str(site), str(site)])) == 1


def test_metadata_without_a_name_is_passed_over(site: Path) -> None:
    (site / "beam-9.dist-info").mkdir()
    (site / "beam-9.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\n")
    (site / "beam-9.dist-info" / "RECORD").write_text("beam/__init__.py,,\n")
    assert foreign_distributions([str(site)]) == []


def test_a_foreign_distribution_reads_as_a_line_for_people() -> None:
    foreign = Foreign("beam", "0.6.0", "/site", package=True, command=True)
    assert str(foreign) == "beam 0.6.0 in /site: the package and the command `beam`"


def test_the_command_first_on_the_path_is_foreign_unless_it_is_ours(tmp_path: Path) -> None:
    ours = script(tmp_path / "ours", OUR_SCRIPT)
    theirs = script(tmp_path / "theirs", THEIR_SCRIPT)
    both = [str(ours.parent), str(theirs.parent)]
    assert foreign_command(os.pathsep.join(both)) is None
    assert foreign_command(os.pathsep.join(reversed(both))) == theirs
    assert foreign_command(str(tmp_path)) is None


def test_python_m_beam_is_ours_where_the_command_is_foreign(tmp_path: Path) -> None:
    theirs = script(tmp_path / "theirs", THEIR_SCRIPT)
    outcome = subprocess.run(
        [sys.executable, "-m", "beam", "run", "--help"],
        env={**os.environ, "PATH": f"{theirs.parent}{os.pathsep}{os.environ['PATH']}"},
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "--backend" in outcome.stdout
