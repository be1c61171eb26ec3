"""`beam.model.attachments`: what goes along with a prompt, in one form."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beam.errors import InvalidInput
from beam.model.attachments import MOST_ATTACHMENTS, Prepared, prepare
from beam.model.encoding import decode, encode

FILES = {
    "/a/notes.txt": b"Buy milk.",
    "/a/odd": b"\x00\x01",
    "/a/cp1252": b"caf\xe9",
    "/a/p.png": b"P",
}
PNG = base64.b64encode(b"P").decode()


def read(path: str, most: int) -> bytes | None:
    found = FILES.get(path)
    return None if found is None else found[:most]


def one(attachment: Any, limit: int = 100) -> tuple[Any, str]:
    made = prepare([attachment], read=read, limit=limit)
    return made.blocks[0], made.manifest[0]["how"]


@pytest.mark.parametrize(
    ("given", "block"),
    [
        ({"type": "text", "text": "Hello"}, {"type": "text", "text": "Hello"}),
        ({"type": "text", "text": ""}, {"type": "text", "text": ""}),
        (
            {"type": "file", "path": "/a/notes.txt"},
            {"type": "text", "text": "Buy milk.", "name": "notes.txt", "mime_type": "text/plain"},
        ),
        (
            {"type": "file", "uri": "file:///a/notes.txt", "name": "n"},
            {"type": "text", "text": "Buy milk.", "name": "n"},
        ),
        (
            {"type": "document", "path": "/a/odd"},
            {"type": "document", "data": "AAE=", "name": "odd"},
        ),
        (
            {"type": "mention", "path": "/a/cp1252"},
            {"type": "file", "data": "Y2Fm6Q==", "name": "cp1252"},
        ),
        (
            {"type": "local_image", "path": "/a/p.png"},
            {"type": "image", "data": PNG, "name": "p.png", "mime_type": "image/png"},
        ),
        (
            {"type": "audio", "data": PNG, "mime_type": "audio/wav"},
            {"type": "audio", "data": PNG, "mime_type": "audio/wav"},
        ),
        (
            {"type": "skill", "name": "review", "path": "/a/notes.txt"},
            {"type": "text", "text": "Buy milk.", "name": "review"},
        ),
    ],
)
def test_what_can_be_read_is_embedded_as_text_or_base64(given: Any, block: Any) -> None:
    assert one(given) == (block, "embedded")


def test_what_cannot_be_read_is_linked_by_its_uri() -> None:
    block, how = one({"type": "image", "url": "https://example.org/p.png"})
    assert how == "linked"
    assert block == {
        "type": "resource_link",
        "uri": "https://example.org/p.png",
        "name": "p.png",
        "mime_type": "image/png",
    }
    assert one({"type": "file", "path": "/nowhere", "uri": "x:y"})[1] == "linked"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"type": "file", "path": "/nowhere/b.txt"}, "file b.txt, text/plain, at /nowhere/b.txt"),
        ({"type": "mention", "name": "ada"}, "mention ada"),
        ({"type": "skill", "name": "review"}, "skill review"),
    ],
)
def test_what_can_be_neither_is_described(given: Any, text: str) -> None:
    assert one(given) == ({"type": "text", "text": text}, "described")


def test_an_unknown_type_is_a_line_of_text_without_its_secrets() -> None:
    block, how = one({"type": "hologram", "depth": 3, "api_key": "sk-1"})
    assert how == "described"
    assert block["text"] == 'hologram: {"api_key":"redacted","depth":3}'


@pytest.mark.parametrize(
    "given",
    [
        {"type": "text", "text": "12345"},
        {"type": "text", "text": "ééé"},
        {"type": "image", "data": base64.b64encode(b"12345").decode()},
        {"type": "file", "path": "/a/notes.txt", "uri": "https://example.org"},
        {"type": "hologram", "depth": 3},
    ],
)
def test_what_is_larger_than_the_limit_is_rejected_in_a_text_block(given: Any) -> None:
    block, how = one(given, limit=4)
    assert how == "rejected"
    assert block["type"] == "text"
    assert block["text"].endswith("larger than 4 bytes, rejected")


def test_what_is_as_large_as_the_limit_is_embedded() -> None:
    assert one({"type": "text", "text": "1234"}, limit=4)[1] == "embedded"
    assert one({"type": "file", "path": "/a/notes.txt"}, limit=9)[0]["text"] == "Buy milk."


def test_no_more_of_a_file_is_read_than_says_that_it_is_too_large() -> None:
    asked = []

    def read_all(path: str, most: int) -> bytes:
        asked.append((path, most))
        return b"x" * most

    prepare([{"type": "file", "path": "big"}], read=read_all, limit=10)
    assert asked == [("big", 11)]


@pytest.mark.parametrize(
    ("attachments", "field"),
    [
        ("text", "attachments"),
        ({"type": "text", "text": "x"}, "attachments"),
        ([{"type": "text", "text": "x"}] * (MOST_ATTACHMENTS + 1), "attachments"),
        ([3], "attachments[0]"),
        ([{"type": "text", "text": "x"}, {"text": "x"}], "attachments[1].type"),
        ([{"type": ""}], "attachments[0].type"),
        ([{"type": "text"}], "attachments[0].text"),
        ([{"type": "file"}], "attachments[0]"),
        ([{"type": "file", "name": "only"}], "attachments[0]"),
        ([{"type": "mention"}], "attachments[0]"),
        ([{"type": "file", "path": 3}], "attachments[0].path"),
        ([{"type": "file", "path": ""}], "attachments[0].path"),
        ([{"type": "image", "data": "no base64!"}], "attachments[0].data"),
        ([{"type": "image", "data": b"P"}], "attachments[0].data"),
        ([{"type": "hologram", "depth": object()}], "attachments[0]"),
    ],
)
def test_what_is_malformed_is_refused_by_its_field_before_a_file_is_read(
    attachments: Any, field: str
) -> None:
    if isinstance(attachments, list):
        attachments = [{"type": "file", "path": "/a/notes.txt"}, *attachments]
        field = field.replace("[1]", "[2]").replace("[0]", "[1]")

    def never(path: str, most: int) -> bytes:
        raise AssertionError(path)

    with pytest.raises(InvalidInput) as refused:
        prepare(attachments, read=never)
    assert refused.value.field == field


def test_the_manifest_says_what_was_attached_without_the_content() -> None:
    made = prepare([{"type": "file", "path": "/a/notes.txt"}], read=read)
    assert made.manifest == (
        {
            "type": "file",
            "name": "notes.txt",
            "mime_type": "text/plain",
            "bytes": 9,
            "uri": None,
            "how": "embedded",
        },
    )


def test_the_prompt_gets_text_whole_and_base64_by_name() -> None:
    attachments = [
        {"type": "file", "path": "/a/notes.txt"},
        {"type": "image", "data": PNG, "name": "p.png"},
        {"type": "file", "uri": "https://example.org/x"},
    ]
    assert prepare(attachments, read=read).asked("Look") == (
        "Look\n\nAttachments (3):\n\n"
        "[1] file notes.txt, text/plain, 9 bytes\nBuy milk.\n\n"
        "[2] image p.png, image/png, 1 bytes, as base64 in attachment_blocks\n\n"
        "[3] file x: https://example.org/x"
    )


texts = st.text(max_size=12)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
kinds = st.sampled_from(
    ["text", "image", "local_image", "audio", "file", "document", "mention", "skill", "hologram"]
)
places = st.sampled_from(
    [*FILES, "/nowhere", "https://example.org/é", "file:///a/odd", "file://[", "\0"]
)
values = places | st.just(PNG) | texts | anything
names = st.sampled_from(["text", "data", "path", "uri", "url", "name", "mime_type"])
attached = st.builds(
    lambda kind, rest: {"type": kind, **rest}, kinds, st.dictionaries(names, values, max_size=3)
)


@given(st.lists(attached | anything, max_size=4), st.integers(0, 20))
def test_whatever_is_attached_is_refused_by_name_or_fits_the_limit_and_the_log(
    attachments: Any, limit: int
) -> None:
    made = None
    try:
        made = prepare(attachments, read=read, limit=limit)
    except InvalidInput as error:
        refused = error.field
    if made is None:
        assert refused.startswith("attachments")
        return
    assert len(made.blocks) == len(made.manifest) == len(attachments)
    for block, entry in zip(made.blocks, made.manifest, strict=True):
        if entry["how"] == "embedded":
            content = block.get("text")
            raw = base64.b64decode(block["data"]) if content is None else content.encode()
            assert len(raw) == entry["bytes"] <= limit
    assert Prepared.of(decode(encode(made.as_data()))) == made
    assert made.asked("Hello").startswith("Hello\n\nAttachments (")
