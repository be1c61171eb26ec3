"""The vault: credentials are in the log only sealed, by a key that is not in it (G17).

    >>> vault = Vault(key="a key of the user's own, of 32 letters or more")
    >>> kept = vault.sealed({"base_url": "http://a", "api_key": "sk-1"}, about="session_1")
    >>> kept["shown"]
    {'base_url': 'http://a', 'api_key': 'redacted'}
    >>> vault.opened(kept, about="session_1")
    {'api_key': 'sk-1', 'base_url': 'http://a'}
    >>> Vault(key="another one, as if the first had been lost").opened(kept, about="session_1")
    {'base_url': 'http://a'}

What has secrets is sealed whole, and beside it stands what may be shown, so that a log without its
key is still a log: the credentials are gone, everything else is there. What has none is not sealed.

The key is given by the user, or made when the first secret is sealed and kept in a file of mode
0600 beside the store (`FILE.key`). That file is never written over: if it cannot be read, or is
not a key, secrets are refused (`key_unreadable`), and those in the log count as lost, until
somebody puts it right or takes it away. A store in memory has a key in memory.

The cipher is AES-SIV (RFC 5297), with the session's name authenticated: what was sealed for one
session cannot be opened for another. It needs no chance for each use, so that the same secret has
the same text and a replay of a simulation writes the same log; the price is that who reads the log
sees that two values of one session are the same.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import TYPE_CHECKING, Any, Final

from beam.errors import InvalidInput, StateRefused
from beam.model.encoding import decode, encode
from beam.model.redaction import redact, without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

__all__ = ["Vault"]

KEY_BYTES: Final = 64
SHORTEST: Final = 32


class Vault:
    """Seals what holds secrets, and opens it again; for any thread.

    Args:
        key: the user's own, 32 characters or bytes or more; it is not kept anywhere.
        file: where the key is if none is given; made with the first secret.
        chance: makes the key if there is neither.

    Raises:
        InvalidInput: the key is too short, or no key.
    """

    __slots__ = ("_chance", "_cipher", "_file")

    def __init__(
        self,
        key: str | bytes | None = None,
        *,
        file: Path | None = None,
        chance: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._file = file
        self._chance = chance
        self._cipher = None if key is None else _cipher_of(_derived(key))

    @classmethod
    def beside(
        cls, store: Path | None, key: str | bytes | None, chance: Callable[[int], bytes]
    ) -> Vault:
        """Return the vault of a store.

        Args:
            store: its file; `None` for one in memory, whose key is in memory too.
            key: the user's own, if any.
            chance: makes the key of a store in memory.
        """
        if store is None:
            return cls(key, chance=chance)
        return cls(key, file=store.with_name(f"{store.name}.key"))

    def sealed(self, values: Mapping[str, Any], *, about: str) -> dict[str, Any]:
        """Return JSON data as it may be in the log.

        Args:
            values: JSON data.
            about: whose it is; needed again to open it.

        Returns:
            `shown`, the data without its secrets, and if it had any `sealed`, all of it.

        Raises:
            StateRefused: `key_unreadable` with `file`.
            InvalidInput: it is not JSON data.
        """
        text = encode(dict(values))
        shown = redact(dict(values))
        if shown == values:
            return {"shown": shown}
        token = self._key_for_sealing().encrypt(text.encode(), [about.encode()])
        return {"shown": shown, "sealed": base64.b64encode(token).decode()}

    def opened(self, kept: Mapping[str, Any], *, about: str) -> dict[str, Any]:
        """Return the data; without its secrets, if they cannot be opened any more.

        Args:
            kept: what `sealed` returned.
            about: whose it is.
        """
        shown: dict[str, Any] = dict(kept["shown"])
        sealed = kept.get("sealed")
        if sealed is None:
            return shown
        try:
            cipher = self._cipher or self._stored()
            if cipher is None:
                return without_secrets(shown)
            token = base64.b64decode(sealed, validate=True)
            opened: dict[str, Any] = decode(_decrypted(cipher, token, about))
        except (InvalidInput, StateRefused, ValueError, TypeError):
            return without_secrets(shown)
        return opened

    def _key_for_sealing(self) -> AESSIV:
        cipher = self._cipher or self._stored()
        if cipher is None:
            cipher = self._cipher = self._made()
        return cipher

    def _stored(self) -> AESSIV | None:
        """Return the key that is in the file, `None` if there is none."""
        if self._file is None:
            return None
        try:
            key = base64.b64decode(self._file.read_bytes().strip(), validate=True)
        except FileNotFoundError:
            return None
        except (OSError, binascii.Error) as error:
            raise self._unreadable(error) from error
        if len(key) != KEY_BYTES:
            raise self._unreadable(f"{len(key)} bytes")
        self._cipher = _cipher_of(key)
        return self._cipher

    def _made(self) -> AESSIV:
        key = self._chance(KEY_BYTES)
        if self._file is not None:
            try:
                _write(self._file, base64.b64encode(key) + b"\n")
            except OSError as error:
                raise self._unreadable(error) from error
        return _cipher_of(key)

    def _unreadable(self, why: object) -> StateRefused:
        return StateRefused("key_unreadable", file=str(self._file), detail=str(why))


def _cipher_of(key: bytes) -> AESSIV:
    # Imported by the first secret: most starts of the command have none.
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415

    return AESSIV(key)


def _decrypted(cipher: AESSIV, token: bytes, about: str) -> bytes:
    """Return what was sealed; raises `ValueError` if it was not sealed with this key."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

    try:
        return cipher.decrypt(token, [about.encode()])
    except InvalidTag as error:
        raise ValueError("not sealed with this key") from error


def _derived(key: object) -> bytes:
    given = key.encode() if isinstance(key, str) else key
    if not isinstance(given, bytes) or len(given) < SHORTEST:
        # The value is not quoted: it may be most of a key.
        raise InvalidInput("key", type(key).__name__, f"{SHORTEST} or more characters or bytes")
    return hashlib.blake2b(given, digest_size=KEY_BYTES, person=b"beam credentials").digest()


def _write(file: Path, text: bytes) -> None:
    """Write a file that nobody else may read, and is there whole or not at all, after a crash."""
    draft = file.with_name(f"{file.name}-new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
