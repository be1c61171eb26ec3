r"""What goes to an agent beside the words of its prompt, in its own form: pictures, sounds, files.

    >>> picture = {"type": "image", "data": "aQ=="}
    >>> forms = {"image": lambda block: {"picture": block["data"]}}
    >>> attached({"attachment_blocks": [{"type": "text", "text": "x"}, picture]}, forms, "Ada")
    [{'picture': 'aQ=='}]
    >>> attached({"attachment_blocks": [picture]}, {}, "Ada")
    Traceback (most recent call last):
    ...
    beam.errors.InvalidInput: attachments[0]: expected one that Ada takes: text, got 'image'

Text, links and what is only described are in the prompt already (`beam.model.attachments`). The
rest an agent either takes, or the query is refused: a model that is told of a picture and does not
get it would answer all the same.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from beam.errors import InvalidInput

__all__ = ["Form", "attached"]

Block = Mapping[str, Any]

Form = Callable[[Block], dict[str, Any] | None]
"""Makes what an agent gets of a block with `data`; None if it takes none of its MIME type."""


def attached(params: Mapping[str, Any], forms: Mapping[str, Form], agent: str) -> list[Any]:
    """Return the attachments of a query that are not in its prompt, in an agent's own form.

    Args:
        params: the query's; `attachment_blocks` are its attachments.
        forms: how the agent takes an `image`, `audio`, `file` or `document`; a file whose bytes
            are text every agent takes, as that.
        agent: what it is called.

    Raises:
        InvalidInput: it does not take one of them.
    """
    found = []
    for index, block in enumerate(params.get("attachment_blocks") or ()):
        if not isinstance(block, Mapping) or not block.get("data"):
            continue
        kind = str(block.get("type"))
        made = _as_text(kind, block, index + 1) or (forms[kind](block) if kind in forms else None)
        if made is None:
            known = ", ".join(["text", *forms])
            what = " ".join(filter(None, (kind, block.get("mime_type"))))
            raise InvalidInput(f"attachments[{index}]", what, f"one that {agent} takes: {known}")
        found.append(made)
    return found


def _as_text(kind: str, block: Block, number: int) -> dict[str, Any] | None:
    content = base64.b64decode(block["data"]) if kind in ("file", "document") else b"\0"
    # A PDF may be made of letters alone, and is still none to be read as they stand.
    if b"\0" in content or content.startswith(b"%PDF"):
        return None
    try:
        return {"type": "text", "text": f"Attachment {number}:\n\n{content.decode()}"}
    except UnicodeDecodeError:
        return None
