"""Attachments as Claude takes them in a message: pictures, and PDF files.

>>> ATTACHMENTS["image"]({"type": "image", "data": "aQ=="})
{'type': 'image', 'source': {'type': 'base64', 'media_type': 'image/png', 'data': 'aQ=='}}
>>> ATTACHMENTS["file"]({"type": "file", "mime_type": "application/zip", "data": "aQ=="}) is None
True
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beam.backends.attached import Form

__all__ = ["ATTACHMENTS"]

_PDF = "application/pdf"


def _image(block: Mapping[str, Any]) -> dict[str, Any]:
    return _source("image", block.get("mime_type") or "image/png", block)


def _document(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a file as a document; None unless it is a PDF, the only kind that is one."""
    return _source("document", _PDF, block) if block.get("mime_type") == _PDF else None


def _source(kind: str, media_type: str, block: Mapping[str, Any]) -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": block["data"]}
    return {"type": kind, "source": source}


ATTACHMENTS: Mapping[str, Form] = {"image": _image, "file": _document, "document": _document}
"""How it takes what is no text."""
