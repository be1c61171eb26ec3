r"""Credentials for agents' programs: which of them reach which program, and where they come from.

    >>> ours = {"PATH": "/bin", "ACME_API_KEY": "k-1", "GITHUB_TOKEN": "t-1", "B_KEY": "k-2"}
    >>> environment(ours, own=("ACME_*",), inherit=("GITHUB_TOKEN",))
    {'PATH': '/bin', 'ACME_API_KEY': 'k-1', 'GITHUB_TOKEN': 't-1'}
    >>> secrets_in("sk-123\n", bare="ACME_API_KEY")
    {'ACME_API_KEY': 'sk-123'}

An agent works in its user's environment, and runs what a model tells it to. So its program gets
all our variables but those that hold credentials; of these it gets its own provider's, and those
that the user names. What holds a credential is known by the words of its name, by a password in the
URL that it holds, or by a key in the configuration that it holds as JSON; a proxy's URL is left in,
for without it the program has no network. Values never stand in an error, nor in a command line,
which every user of the machine can read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from beam.errors import InvalidInput
from beam.model.masking import secret_values

__all__ = [
    "check_secret_file",
    "environment",
    "is_credential",
    "read_secrets",
    "secrets_in",
    "values_of",
]

_WORDS = frozenset(
    ("KEY", "KEYS", "APIKEY", "TOKEN", "TOKENS", "SECRET", "SECRETS", "PASSWORD", "PASSWD",
     "PASSPHRASE", "CREDENTIAL", "CREDENTIALS", "PAT", "COOKIE")
)  # fmt: skip

_LARGEST = 64 * 1024


# Of these it needs to be the last word, and not the only one: `MYSQL_PWD`, `NPM_CONFIG__AUTH`.
_LAST_WORDS = frozenset(("AUTH", "HEADERS", "PWD"))
_ENDS = ("PASSWORD", "PASSWD", "AUTH_CONFIG")
_PASSWORD_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]+@")


def is_credential(name: str, value: str = "") -> bool:
    """Say whether a variable holds a credential, as far as its name tells, a URL or JSON in it."""
    upper = name.upper().replace("-", "_")
    first, *others = upper.split("_")
    if _WORDS.intersection((first, *others)) or upper.endswith(_ENDS):
        return True
    if others and others[-1] in _LAST_WORDS:
        return True
    if not upper.endswith("_PROXY") and _PASSWORD_IN_URL.search(value) is not None:
        return True
    return bool(_in_json(value))


def environment(
    ours: Mapping[str, str], *, own: Iterable[str], inherit: Iterable[str] = ()
) -> dict[str, str]:
    """Return what a program gets of our environment.

    Args:
        ours: our environment.
        own: the names of its provider's variables, `*` at the end for a prefix.
        inherit: the names of others that it may have, likewise.
    """
    passed = (*own, *inherit)
    return {
        name: value
        for name, value in ours.items()
        if not is_credential(name, value) or any(_matches(name, each) for each in passed)
    }


def values_of(environment: Mapping[str, str]) -> frozenset[str]:
    """Return the values of an environment's credentials, which nobody is to be told."""
    found = {value for name, value in environment.items() if is_credential(name, value)}
    return secret_values(environment).union(found, *map(_in_json, environment.values()))


def _in_json(value: str) -> frozenset[str]:
    """Return the secrets in a variable that holds a configuration, such as OpenCode's, as JSON."""
    if not value.lstrip().startswith("{"):
        return frozenset()
    try:
        settings = json.loads(value)
    except (ValueError, RecursionError):
        return frozenset()
    return secret_values(settings) - {""}


def secrets_in(text: str, *, bare: str) -> dict[str, str]:
    """Return the variables that a secret file's text sets.

    Args:
        text: lines `NAME=value`, where empty lines and those that begin with `#` are left out; or
            nothing but one value.
        bare: the variable that a lone value is for.

    Raises:
        InvalidInput: it is neither; the error shows nothing of it.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if len(lines) == 1 and not _sets(lines[0]):
        return {bare: lines[0]}
    if not lines or not all(map(_sets, lines)):
        raise InvalidInput("secret_file", "its text", "one value, or lines NAME=value")
    pairs = [line.removeprefix("export ").split("=", 1) for line in lines]
    return {name.strip(): _unquoted(value.strip()) for name, value in pairs}


def read_secrets(path: str | os.PathLike[str] | None, *, bare: str) -> dict[str, str]:
    """Return the variables that a secret file sets; none if there is no path. Blocks.

    Raises:
        InvalidInput: it cannot be read, or is none.
    """
    if path is None:
        return {}
    try:
        with Path(path).expanduser().open(encoding="utf-8") as file:
            text = file.read(_LARGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("secret_file", os.fspath(path), f"a text file ({error})") from None
    if len(text) > _LARGEST:
        raise InvalidInput("secret_file", os.fspath(path), f"at most {_LARGEST} characters")
    return secrets_in(text, bare=bare)


def check_secret_file(path: str | os.PathLike[str] | None, *, bare: str) -> None:
    """Refuse a secret file that cannot be used, or that others than its owner may read.

    Raises:
        InvalidInput: saying why.
    """
    if path is None:
        return
    read_secrets(path, bare=bare)
    mode = Path(path).expanduser().stat().st_mode & 0o777
    if mode & 0o077:
        raise InvalidInput("secret_file", f"{os.fspath(path)} ({mode:o})", "mode 600 or less")


def _sets(line: str) -> bool:
    name, equals, _ = line.removeprefix("export ").partition("=")
    name = name.strip()
    # A key in base64 may end with "=": a name is an identifier in capitals.
    return bool(equals) and name.isidentifier() and name == name.upper()


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
