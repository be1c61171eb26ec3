"""Attachments: what goes to an agent along with a prompt, in one form whatever it was given as.

    >>> one = prepare(
    ...     [{"type": "file", "path": "notes.txt"}, {"type": "hologram", "depth": 3}],
    ...     read=lambda path, limit: b"Buy milk.",
    ... )
    >>> [(entry["type"], entry["name"], entry["how"]) for entry in one.manifest]
    [('file', 'notes.txt', 'embedded'), ('hologram', None, 'described')]
    >>> print(one.asked("What is in it?"))
    What is in it?
    <BLANKLINE>
    Attachments (2):
    <BLANKLINE>
    [1] file notes.txt, text/plain, 9 bytes
    Buy milk.
    <BLANKLINE>
    [2] hologram: {"depth":3}

What becomes of an attachment is the first of these that is possible; the manifest says which:

| how | when |
|---|---|
| `embedded` | its `text` or `data` (base64) was given, or the file at `path` can be read |
| `rejected` | the same, but it is larger than the limit: a text block says so in its place |
| `linked` | there is a `uri` (or `url`) |
| `described` | there is none, or the type is unknown: a text block says what is known |

A file is embedded as text if it is UTF-8 without NUL, and no image or audio; as base64 otherwise.
The blocks hold each content once; the section of the prompt is made of them when it is needed.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

from beam.errors import InvalidInput
from beam.model.encoding import encode
from beam.model.redaction import redact

__all__ = ["ATTACHMENT_LIMIT", "MOST_ATTACHMENTS", "Prepared", "Read", "prepare"]

ATTACHMENT_LIMIT = 512 * 1024
"""The most bytes of one attachment that is embedded, unless told otherwise."""

MOST_ATTACHMENTS = 100
"""The most attachments of one query."""

Read = Callable[[str, int], bytes | None]
"""Reads a file: `(path, most) -> bytes`, `None` if it cannot; no more than `most` bytes of it."""

Block = dict[str, Any]

_MEDIA = ("image", "local_image", "audio")
_KNOWN = (*_MEDIA, "file", "document", "mention", "skill")
# A mention and a skill may be no more than a name.
_NAMED = ("mention", "skill")
_TEXTS = ("text", "data", "path", "uri", "url", "name", "mime_type")


@dataclass(frozen=True, slots=True)
class Prepared:
    """The attachments of a query.

    Attributes:
        blocks: what the agent gets, one for each: `text`, `resource_link`, or, with `data` in
            base64, `image`, `audio`, `file` or `document`.
        manifest: what there is to say of each without its content: `type`, `name`, `mime_type`,
            `bytes`, `uri` and `how`; `None` where it is not known.
    """

    blocks: tuple[Mapping[str, Any], ...]
    manifest: tuple[Mapping[str, Any], ...]

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {
            "blocks": [dict(block) for block in self.blocks],
            "manifest": [dict(entry) for entry in self.manifest],
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Prepared:
        """Return what `as_data` described."""
        return cls(tuple(data.get("blocks") or ()), tuple(data.get("manifest") or ()))

    def params(self) -> dict[str, Any]:
        """Return what an agent finds among the params of its query."""
        data = self.as_data()
        return {"attachment_blocks": data["blocks"], "attachment_manifest": data["manifest"]}

    def asked(self, prompt: str) -> str:
        """Return the prompt, with a section that says in plain text what is attached."""
        pieces = [prompt, f"Attachments ({len(self.blocks)}):"]
        both = zip(self.blocks, self.manifest, strict=True)
        pieces += [f"[{number}] {_told(*one)}" for number, one in enumerate(both, start=1)]
        return "\n\n".join(pieces)


def prepare(attachments: Any, *, read: Read, limit: int = ATTACHMENT_LIMIT) -> Prepared:
    """Turn the attachments of a query into the form in which they go to an agent and into the log.

    Args:
        attachments: a list of mappings; see the module for what is in them.
        read: reads a file that is attached by its path.
        limit: the most bytes of one that is embedded.

    Raises:
        InvalidInput: it is no such list, there are too many, or one is malformed, naming the field
            as `attachments[2].path`.
    """
    if not isinstance(attachments, (list, tuple)):
        raise InvalidInput("attachments", type(attachments).__name__, "a list of attachments")
    if len(attachments) > MOST_ATTACHMENTS:
        raise InvalidInput("attachments", len(attachments), f"at most {MOST_ATTACHMENTS} of them")
    # All are checked before a file is read.
    checked = [_checked(f"attachments[{index}]", one) for index, one in enumerate(attachments)]
    made = [_prepared(one, read, limit) for one in checked]
    return Prepared(tuple(block for block, _ in made), tuple(entry for _, entry in made))


# What is given


def _checked(field: str, one: Any) -> dict[str, Any]:
    if not isinstance(one, Mapping):
        raise InvalidInput(field, type(one).__name__, "a mapping with a 'type'")
    kind = one.get("type")
    if not isinstance(kind, str) or not kind:
        raise InvalidInput(f"{field}.type", kind, "a non-empty text")
    given = {key: value for key, value in one.items() if value is not None}
    if kind != "text" and kind not in _KNOWN:
        return _checked_unknown(field, given)
    for name in _TEXTS:
        value = given.get(name)
        if name in given and not (isinstance(value, str) and (value or name == "text")):
            raise InvalidInput(f"{field}.{name}", type(value).__name__, "a non-empty text")
    _check_source(field, kind, given)
    if "data" in given:
        given["data"] = _decoded(f"{field}.data", given["data"])
    if "uri" not in given and "url" in given:
        given["uri"] = given["url"]
    if "path" not in given and (path := _path_of(given.get("uri", ""))) is not None:
        given["path"] = path
    return given


def _checked_unknown(field: str, given: dict[Any, Any]) -> dict[str, Any]:
    try:
        encode(given)
    except InvalidInput as error:
        raise InvalidInput(field, given, f"JSON data ({error})") from error
    return given


def _check_source(field: str, kind: str, given: Mapping[str, Any]) -> None:
    if kind == "text" and "text" not in given:
        raise InvalidInput(f"{field}.text", None, "the text")
    sources = ("text", "data", "path", "uri", "url", *(("name",) if kind in _NAMED else ()))
    if not any(name in given for name in sources):
        raise InvalidInput(field, sorted(map(str, given)), f"one of {', '.join(sources)}")


def _decoded(field: str, data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        raise InvalidInput(field, f"{data[:20]}...", "base64") from None


def _path_of(uri: str) -> str | None:
    if not uri.lower().startswith("file:"):
        return None
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return unquote(parts.path) if parts.netloc in ("", "localhost") and parts.path else None


# What becomes of it


def _prepared(given: dict[str, Any], read: Read, limit: int) -> tuple[Block, Block]:
    kind = given["type"]
    if kind != "text" and kind not in _KNOWN:
        return _unknown(given, limit)
    about = _about(given)
    content = _content(given, read, limit)
    if content is not None:
        about["bytes"] = _size(content)
        if about["bytes"] > limit:
            return _rejected(about, limit)
        return _embedded(about, content)
    if about["uri"] is not None:
        about["how"] = "linked"
        named = {"name": about["name"], "mime_type": about["mime_type"]}
        return _block("resource_link", uri=about["uri"], **named), about
    about["how"] = "described"
    what = given.get("path")
    return _block("text", text=_label(about) + (f", at {what}" if what else "")), about


def _about(given: Mapping[str, Any]) -> Block:
    name = given.get("name")
    place = given.get("path") or given.get("uri")
    if name is None and place is not None:
        name = PurePath(place).name or None
    mime_type = given.get("mime_type")
    if mime_type is None and name is not None:
        mime_type = mimetypes.guess_type(name)[0]
    known = {"name": name, "mime_type": mime_type, "bytes": None, "uri": given.get("uri")}
    return {"type": given["type"], **known}


def _content(given: Mapping[str, Any], read: Read, limit: int) -> str | bytes | None:
    """Return what is to be embedded; at least one byte too much if it is too large."""
    for name in ("text", "data"):
        if name in given:
            content: str | bytes = given[name]
            return content
    found = read(given["path"], limit + 1) if "path" in given else None
    if found is None or given["type"] in _MEDIA or b"\0" in found:
        return found
    try:
        return found.decode() if len(found) <= limit else found
    except UnicodeDecodeError:
        return found


def _size(content: str | bytes) -> int:
    return len(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)


def _embedded(about: Block, content: str | bytes) -> tuple[Block, Block]:
    about["how"] = "embedded"
    named = {"name": about["name"], "mime_type": about["mime_type"]}
    if isinstance(content, str):
        return _block("text", text=content, **named), about
    kind = {"local_image": "image", "mention": "file", "skill": "file"}.get(about["type"])
    data = base64.b64encode(content).decode("ascii")
    return _block(kind or about["type"], data=data, **named), about


def _rejected(about: Block, limit: int) -> tuple[Block, Block]:
    # A file is not read beyond the limit, so how large it is nobody knows.
    about |= {"how": "rejected", "bytes": None}
    return _block("text", text=f"{_label(about)}: larger than {limit} bytes, rejected"), about


def _unknown(given: dict[str, Any], limit: int) -> tuple[Block, Block]:
    name = given.get("name")
    about: Block = {"type": given["type"], "name": name if isinstance(name, str) else None}
    about |= {"mime_type": None, "bytes": None, "uri": None, "how": "described"}
    rest = encode(redact({key: value for key, value in given.items() if key != "type"}))
    if _size(rest) > limit:
        return _rejected(about, limit)
    return _block("text", text=f"{given['type']}: {rest}"), about


def _block(kind: str, **facts: Any) -> Block:
    return {"type": kind, **{name: value for name, value in facts.items() if value is not None}}


# What is told in the prompt


def _label(about: Mapping[str, Any]) -> str:
    words = " ".join(word for word in (about["type"], about["name"]) if word)
    size = about.get("bytes")
    facts = (about.get("mime_type"), None if size is None else f"{size} bytes")
    return ", ".join([words, *(fact for fact in facts if fact)])


def _told(block: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Return the lines of one attachment."""
    match about["how"]:
        case "embedded" if block["type"] == "text":
            return f"{_label(about)}\n{block['text']}"
        case "embedded":
            return f"{_label(about)}, as base64 in attachment_blocks"
        case "linked":
            return f"{_label(about)}: {block['uri']}"
    return str(block["text"])
