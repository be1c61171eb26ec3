"""`beam.providers.runtimes`: names and versions that mean nothing to a shell, and one script."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from dataclasses import replace
from itertools import permutations
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidOption
from beam.providers.managed_provision import made
from beam.providers.provision_spec import AgentSpec, EnvironmentSpec, checked
from beam.providers.runtimes import HOSTS, Runtime, bootstrap_script, instructions
from tests.providers.test_managed_provision import Resource

WANTED = (Runtime("node", "22.11.0"), Runtime("elixir", "1.17.3"), Runtime("erlang", "27.1"))
SPEC = AgentSpec("adder", system="Add.", environment=EnvironmentSpec("box", {}, WANTED))

META = [*"'\"\\`$;|&<>()[]{}*?!#~ \t\r\n\0=%^,/:@", "é", "१"]


@pytest.mark.parametrize("character", META)
@pytest.mark.parametrize("field", ["name", "version"])
def test_what_may_mean_something_to_a_shell_is_refused(field, character):
    for value in (character, f"1{character}", f"{character}1", f"a{character}1"):
        given = {"name": "node", "version": "1", field: value}
        with pytest.raises(InvalidOption) as caught:
            Runtime(**given)
        assert (caught.value.field, caught.value.reason) == (field, ("invalid_runtime", value))


@pytest.mark.parametrize("version", ["", "-1", ".1", "+", "1" * 65, None, 1])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(InvalidOption):
        Runtime("node", version)


@given(st.from_regex(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}", fullmatch=True))
def test_a_version_stands_in_the_script_as_it_is(version):
    line = next(each for each in bootstrap_script([Runtime("node", version)]).splitlines()
                if each.startswith("mise use"))  # fmt: skip
    assert line == f"mise use --global --yes 'node@{version}'"


def test_the_same_runtimes_make_the_same_script_in_any_order():
    assert len({bootstrap_script(order) for order in permutations(WANTED)}) == 1
    assert "'erlang@27.1' 'elixir@1.17.3-otp-27' 'node@22.11.0'" in bootstrap_script(WANTED)


@pytest.mark.parametrize(
    ("elixir", "told"), [("1.17.3", "1.17.3"), ("1.17.3-otp-26", "1.17.3-otp-26")]
)
def test_elixir_is_for_an_erlang_only_if_one_is_wanted_and_it_does_not_say(elixir, told):
    erlang = [Runtime("erlang", "27.1")] if "-otp-" in elixir else []
    assert f"'elixir@{told}'" in bootstrap_script([Runtime("elixir", elixir), *erlang])


@pytest.mark.parametrize(
    "runtimes", [["node"], [Runtime("node", "1"), Runtime("node", "2")], [None]]
)
def test_what_is_no_list_of_runtimes_is_refused(runtimes):
    with pytest.raises(InvalidOption) as caught:
        bootstrap_script(runtimes)
    assert caught.value.field == "runtimes"
    with pytest.raises(InvalidOption):
        checked(AgentSpec("adder", environment=EnvironmentSpec("box", {}, tuple(runtimes))))


def test_no_runtimes_are_nothing_to_say():
    assert instructions([]) == ""
    with pytest.raises(InvalidOption):
        bootstrap_script([])


def run(script, home, programs):
    """Run a script where there is nothing but these programs and a few of the system's."""
    place = home / "bin"
    place.mkdir(exist_ok=True)
    for name, text in programs.items():
        program = place / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    for name in ("bash", "sh", "grep", "touch", "cat", "mkdir", "chmod"):
        if not (place / name).exists():
            (place / name).symlink_to(shutil.which(name))
    environment = {"HOME": str(home), "PATH": str(place)}
    subprocess.run(
        [str(place / "bash")], input=script, text=True, env=environment, check=True, timeout=60
    )


def test_the_script_installs_what_is_wanted_and_once_is_enough(tmp_path):
    install = f"""echo 'mkdir -p {tmp_path}/.local/bin
cat >{tmp_path}/.local/bin/mise <<END
#!/bin/sh
echo "\\$@" >>{tmp_path}/asked
END
chmod 755 {tmp_path}/.local/bin/mise
echo "$MISE_VERSION" >>{tmp_path}/installed'"""
    script = bootstrap_script(WANTED, mise="2026.11.1")
    for _ in range(2):
        run(script, tmp_path, {"curl": install})
    assert (tmp_path / "installed").read_text() == "v2026.11.1\n"
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["use --global --yes erlang@27.1 elixir@1.17.3-otp-27 node@22.11.0"] * 2
    profile = (tmp_path / ".bashrc").read_text().splitlines()
    assert len(profile) == 2
    assert profile[0].startswith('export PATH="$HOME/.local/share/mise/shims')


def test_a_step_that_fails_ends_the_script(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        run(bootstrap_script(WANTED), tmp_path, {"curl": "exit 22"})
    assert not os.path.exists(tmp_path / ".bashrc")


def test_runtimes_are_content_and_their_order_is_not():
    other = replace(SPEC, environment=EnvironmentSpec("box", {}, WANTED[::-1]))
    newer = replace(SPEC, environment=EnvironmentSpec("box", {}, (Runtime("node", "23"),)))
    none = replace(SPEC, environment=EnvironmentSpec("box", {}))
    assert SPEC.digest("p") == other.digest("p")
    assert len({each.digest("p") for each in (SPEC, newer, none)}) == 3


def test_what_was_provisioned_before_there_were_runtimes_is_found_again():
    spec = AgentSpec("adder", "m", "Add.", environment=EnvironmentSpec("box", {"type": "cloud"}))
    assert spec.digest("managed_agents") == "9abc2804"


def provisioned(spec):
    client = SimpleNamespace(
        beta=SimpleNamespace(agents=Resource("agent"), environments=Resource("environment"))
    )
    asyncio.run(made(client, spec))
    return client.beta


def test_the_system_prompt_has_the_script():
    (agent,) = provisioned(SPEC).agents.created
    assert agent["system"] == f"Add.\n\n{instructions(WANTED)}"
    assert bootstrap_script(WANTED) in agent["system"]


def test_a_network_that_does_not_reach_what_is_needed_is_refused_before_anything_is_made():
    def limited(hosts, runtimes=WANTED):
        config = {"type": "cloud", "networking": {"type": "limited", "allowed_hosts": hosts}}
        return replace(SPEC, environment=EnvironmentSpec("box", config, runtimes))

    for hosts in ([], None, ["github.com"], [*HOSTS[:-1]]):
        with pytest.raises(InvalidOption) as caught:
            provisioned(limited(hosts))
        assert caught.value.field == "allowed_hosts"
    for spec in (
        limited([*HOSTS]),
        limited([*HOSTS[:3], "*.githubusercontent.com"]),
        limited([], ()),
    ):
        assert provisioned(spec).agents.created
