"""The watch: hears that the fleet's tree has ended, so that nobody waits for it for ever.

A supervisor at the root that has restarted too often gives up, and everything below it with it. The
watch stands outside the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beam.otp import Down, Server, monitor
from beam.sessions.roster import FAILED

if TYPE_CHECKING:
    from beam.otp import Ref
    from beam.sessions.commons import Commons

__all__ = ["Watch"]


class Watch(Server):
    """The watch's process; `init` takes the root of the tree, and what is to hear of its end."""

    def init(self, root: Ref[Any], commons: Commons) -> None:
        """Begin to watch."""
        self._commons = commons
        monitor(root)

    def handle_info(self, message: Any) -> None:
        """Answer everybody who waits, if the tree has ended by itself."""
        if isinstance(message, Down):
            self._commons.end(FAILED)
