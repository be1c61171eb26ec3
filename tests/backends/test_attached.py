"""What is attached to a query, in the forms of Claude and of agents that speak ACP."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from beam.backends.acp_session import Offer
from beam.backends.attached import attached
from beam.backends.claude_attachments import ATTACHMENTS
from beam.errors import InvalidInput


def block(kind: str, content: bytes, **facts: str) -> dict[str, Any]:
    return {"type": kind, "data": base64.b64encode(content).decode(), **facts}


def offer(**can: bool) -> Offer:
    return Offer.of({"agentCapabilities": {"promptCapabilities": can}})


def of_acp(one: Any, **can: bool) -> Any:
    return attached({"attachment_blocks": [one]}, offer(**can).forms(), "it")


def refused(one: Any, forms: Any) -> str:
    with pytest.raises(InvalidInput) as error:
        attached({"attachment_blocks": [{"type": "text", "text": "a"}, one]}, forms, "it")
    return str(error.value)


def test_pictures_and_sounds_go_to_an_acp_agent_that_says_it_takes_them() -> None:
    picture, sound = block("image", b"\0p", mime_type="image/gif"), block("audio", b"\0s")
    assert of_acp(picture, image=True) == [
        {"type": "image", "data": picture["data"], "mimeType": "image/gif"}
    ]
    assert of_acp(sound, audio=True) == [
        {"type": "audio", "data": sound["data"], "mimeType": "audio/wav"}
    ]
    assert refused(picture, offer(audio=True).forms()) == (
        "attachments[1]: expected one that it takes: text, audio, got 'image image/gif'"
    )


def test_a_file_goes_to_an_acp_agent_as_a_resource_with_a_name() -> None:
    packed = block("file", b"PK\0", name="a b.zip", mime_type="application/zip")
    ((sent),) = of_acp(packed, embeddedContext=True)
    assert sent == {
        "type": "resource",
        "resource": {
            "uri": "attachment:///a%20b.zip",
            "mimeType": "application/zip",
            "blob": packed["data"],
        },
    }
    assert "attachments[1]" in refused(packed, offer(image=True).forms())


@pytest.mark.parametrize("kind", ["file", "document"])
def test_a_file_whose_bytes_are_text_is_text_for_every_agent(kind: str) -> None:
    sent = [{"type": "text", "text": "Attachment 1:\n\nhello"}]
    assert of_acp(block(kind, b"hello"), embeddedContext=True) == sent
    assert attached({"attachment_blocks": [block(kind, b"hello")]}, {}, "it") == sent


def test_claude_takes_pictures_and_pdf_files() -> None:
    picture, paper = block("image", b"\0p"), block("file", b"%PDF-1", mime_type="application/pdf")
    sent = attached({"attachment_blocks": [picture, paper]}, ATTACHMENTS, "Claude Code")
    assert [(each["type"], each["source"]["media_type"]) for each in sent] == [
        ("image", "image/png"),
        ("document", "application/pdf"),
    ]
    assert "attachments[1]" in refused(block("file", b"\xff"), ATTACHMENTS)
    assert "attachments[1]" in refused(block("audio", b"s"), ATTACHMENTS)


def test_what_has_no_data_is_in_the_prompt_already() -> None:
    blocks = [{"type": "text", "text": "a"}, {"type": "resource_link", "uri": "http://a"}]
    assert attached({"attachment_blocks": blocks}, {}, "it") == attached({}, {}, "it") == []
