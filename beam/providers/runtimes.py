"""Runtimes: the languages that an agent's environment is to have, and the script that brings them.

    >>> wanted = [Runtime("elixir", "1.17.3"), Runtime("erlang", "27.1")]
    >>> [line for line in bootstrap_script(wanted).splitlines() if "mise use" in line]
    ["mise use --global --yes 'erlang@27.1' 'elixir@1.17.3-otp-27'"]
    >>> Runtime("node", "22; rm -rf /")
    Traceback (most recent call last):
    ...
    beam.errors.InvalidOption: version: expected letters, digits and . _ + -, got '22; rm -rf /'

An `EnvironmentSpec` names them; then the agent's system prompt has the script, and says when to run
it. It installs mise (a manager of tools) if that is not there, and by it what is wanted. The same
runtimes, in whatever order, make the same script, so they are in the digest of the spec as they are
in the prompt. Nothing of a runtime's name or version can mean anything to a shell.

*Limit:* the agent runs the script, so it must have a shell, and may forget; the newest mise is
taken unless its version is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from beam.errors import InvalidOption

__all__ = ["HOSTS", "Runtime", "bootstrap_script", "check_hosts", "instructions", "ordered"]

HOSTS: Final = (
    "github.com",
    "mise.jdx.dev",
    "mise.run",
    "objects.githubusercontent.com",
    "release-assets.githubusercontent.com",
)
"""Where mise comes from; a language may need more, such as its own place for downloads."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")
# Of these the first ones have to be there before the others can be installed.
_FIRST: Final = ("erlang", "elixir")

_SCRIPT: Final = """\
#!/usr/bin/env bash
# Installs {named}. To run it again changes nothing.
set -euo pipefail
export PATH="$HOME/.local/share/mise/shims:$HOME/.local/bin:$PATH"
export LANG="${{LANG:-C.UTF-8}}"
if ! command -v mise >/dev/null 2>&1; then
    curl -fsSL https://mise.run | {version}sh
fi
mise use --global --yes {wanted}
touch "$HOME/.bashrc"
if ! grep -qF 'mise/shims' "$HOME/.bashrc"; then
    printf '%s\\n' \\
        'export PATH="$HOME/.local/share/mise/shims:$HOME/.local/bin:$PATH"' \\
        'export LANG="${{LANG:-C.UTF-8}}"' >>"$HOME/.bashrc"
fi
"""

_INSTRUCTIONS: Final = """\
## Runtimes

This environment is to have {named}. They are not there at first: before the first command that
needs one of them, run the following script once, with bash.

```bash
{script}```
"""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A language, or another tool that mise knows by a short name.

    Attributes:
        name: a small letter, then small letters, digits, `_` and `-`.
        version: letters, digits and `. _ + -`, the first of them a letter or a digit.

    Raises:
        InvalidOption: one is not what it must be; its reason is `("invalid_runtime", value)`.
    """

    name: str
    version: str

    def __post_init__(self) -> None:
        for field, rule, expected in (
            ("name", _NAME, "small letters, digits, _ and -"),
            ("version", _VERSION, "letters, digits and . _ + -"),
        ):
            value: Any = getattr(self, field)
            if not isinstance(value, str) or not rule.fullmatch(value):
                raise InvalidOption(field, value, expected, ("invalid_runtime", value))


def ordered(runtimes: Iterable[Any]) -> tuple[Runtime, ...]:
    """Return runtimes in the order in which they are installed, whatever it was.

    Raises:
        InvalidOption: one is none, or a name is there twice.
    """
    found: dict[str, Runtime] = {}
    for one in runtimes:
        if not isinstance(one, Runtime) or one.name in found:
            reason = ("invalid_runtime", one)
            raise InvalidOption("runtimes", one, "Runtimes, each name once", reason)
        found[one.name] = one
    return tuple(sorted(found.values(), key=_place))


def bootstrap_script(runtimes: Iterable[Any], *, mise: str | None = None) -> str:
    """Return the script, for bash, that installs runtimes.

    Args:
        runtimes: what is wanted, one at least.
        mise: the version of mise; the newest unless given.

    Raises:
        InvalidOption: a runtime is none, a name is there twice, there is no runtime at all, or
            the version is none.
    """
    wanted = ordered(runtimes)
    if not wanted:
        raise InvalidOption("runtimes", (), "one Runtime at least")
    version = "" if mise is None else f"MISE_VERSION='v{Runtime('mise', mise).version}' "
    return _SCRIPT.format(
        named=_named(wanted),
        version=version,
        wanted=" ".join(f"'{one.name}@{_version(one, wanted)}'" for one in wanted),
    )


def instructions(runtimes: Iterable[Any]) -> str:
    """Return what an agent is told of its runtimes, for its system prompt; "" if it has none.

    Raises:
        InvalidOption: see `ordered`.
    """
    wanted = ordered(runtimes)
    if not wanted:
        return ""
    return _INSTRUCTIONS.format(named=_named(wanted), script=bootstrap_script(wanted))


def check_hosts(allowed: Any) -> None:
    """Refuse a list of hosts with which no runtime can be installed.

    Args:
        allowed: names of hosts; `*.` before one stands for what is below it.

    Raises:
        InvalidOption: hosts are missing; says which.
    """
    names = [one for one in allowed or () if isinstance(one, str)]
    missing = [host for host in HOSTS if not any(_covers(name, host) for name in names)]
    if missing:
        expected = f"with runtimes, also {', '.join(missing)}"
        raise InvalidOption("allowed_hosts", names, expected)


def _covers(name: str, host: str) -> bool:
    return name == host or (name.startswith("*.") and host.endswith(name[1:]))


def _place(runtime: Runtime) -> tuple[int, str]:
    first = runtime.name in _FIRST
    return (_FIRST.index(runtime.name) if first else len(_FIRST), runtime.name)


def _named(wanted: tuple[Runtime, ...]) -> str:
    return ", ".join(f"{one.name} {one.version}" for one in wanted)


def _version(runtime: Runtime, wanted: tuple[Runtime, ...]) -> str:
    """Return the version; that of Elixir says for which Erlang it was built, if one is there."""
    erlang = next((one.version for one in wanted if one.name == "erlang"), None)
    if runtime.name != "elixir" or erlang is None or "-otp-" in runtime.version:
        return runtime.version
    return f"{runtime.version}-otp-{erlang.partition('.')[0]}"
