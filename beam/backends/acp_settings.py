"""The models and modes of an ACP conversation: pure functions of the wire.

    >>> settings = Settings.of({"modes": {"currentModeId": "default", "availableModes":
    ...                         [{"id": "default"}, {"id": "autoEdit"}, {"id": "yolo"}]}})
    >>> settings.change("mode", "accept_edits")
    Change(method='session/set_mode', params={'modeId': 'autoEdit'}, name='mode', value='autoEdit')
    >>> settings.lacking(mode="plan", agent="mine")
    Traceback (most recent call last):
    ...
    beam.errors.InvalidInput: permission_mode: ...

An agent has them in one of two forms: lists of their own (`models`, `modes`), or options with a
category (`configOptions`). Without a mode in which it would ask less than now, an agent goes on
asking. One in which it would do less than now is not done without: it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from beam.backends.acp_wire import Wire, object_in, objects_in
from beam.errors import InvalidInput

__all__ = ["Change", "Settings"]

_MODES: Mapping[str, tuple[str, ...]] = {
    "default": ("default", "build", "agent", "ask"),
    "accept_edits": ("autoedit", "acceptedits"),
    "bypass_permissions": ("yolo", "bypasspermissions"),
    "plan": ("plan",),
    "dont_ask": ("dontask",),
}
"""The agents' words for our modes, in small letters."""


_ASKING_LESS = ("accept_edits", "bypass_permissions")
"""The modes in which an agent asks less than in its own."""


@dataclass(frozen=True, slots=True)
class Change:
    """A request that changes something in a conversation.

    Attributes:
        method, params: the request, without the conversation's name.
        name, value: what counts after it.
    """

    method: str
    params: dict[str, Any]
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The models and modes of a conversation, from the answer that began it.

    Attributes:
        model, mode: those that count now, empty if the agent does not say.
        modes: the ids of all modes.
        methods: the name of the setting (`model`, `mode`) to the request that changes it.
    """

    model: str = ""
    mode: str = ""
    modes: tuple[str, ...] = ()
    methods: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, answer: Wire) -> Settings:
        """Return the settings in an answer to `session/new`, `load`, `resume` or `fork`."""
        options = {
            str(each.get("category") or each.get("id")): each
            for each in reversed(objects_in(answer, "configOptions"))
        }
        methods: dict[str, tuple[str, str]] = {
            name: ("session/set_config_option", str(options[name].get("id")))
            for name in ("model", "mode")
            if name in options
        }
        model, mode = _current(options.get("model")), _current(options.get("mode"))
        modes = [str(each["value"]) for each in _values(options.get("mode"))]
        if "models" in answer and "model" not in methods:
            methods["model"] = ("session/set_model", "modelId")
            model = str(object_in(answer, "models").get("currentModelId") or "")
        if "modes" in answer:
            methods["mode"] = ("session/set_mode", "modeId")
            own = object_in(answer, "modes")
            mode = str(own.get("currentModeId") or mode)
            modes = [str(each.get("id")) for each in objects_in(own, "availableModes")]
        return cls(model, mode, tuple(modes), methods)

    def change(self, name: str, wanted: str) -> Change | None:
        """Return what makes a model or a mode count; None if it does, or cannot be changed.

        Args:
            name: `"model"` or `"mode"`.
            wanted: the model; or one of our modes, or of the agent's own.
        """
        value = self.mode_of(wanted) if name == "mode" else wanted
        return self._change(name, value) if value and value != getattr(self, name) else None

    def after(self, change: Change) -> Settings:
        """Return the settings that count after a change."""
        if change.name == "model":
            return replace(self, model=change.value)
        return replace(self, mode=change.value)

    def lacking(self, *, model: str = "", mode: str = "", agent: str) -> list[str]:
        """Return what is to be told of a model and a mode that cannot be made to count.

        Args:
            model: the model that is wanted, empty for any.
            mode: the mode, likewise.
            agent: what the agent calls itself.

        Raises:
            InvalidInput: without the mode the agent would do more than it is meant to.
        """
        told = []
        if model not in ("", self.model) and "model" not in self.methods:
            runs_on = f"it runs on {self.model!r}" if self.model else "it runs on its own"
            told.append(f"{agent} changes no model, so not to {model!r}: {runs_on}")
        if mode in ("", "default") or self.mode_of(mode):
            return told
        if mode not in _ASKING_LESS:
            known = ", ".join(map(repr, self.modes)) or "it has none"
            raise InvalidInput("permission_mode", mode, f"one that {agent} has: {known}")
        return [*told, f"{agent} has no mode for {mode!r}: it asks as before"]

    def mode_of(self, wanted: str) -> str:
        """Return the agent's mode for one of ours; empty if it has none."""
        if wanted in self.modes:
            return wanted
        words = {_plain(mode): mode for mode in reversed(self.modes)}
        return next((words[word] for word in _MODES.get(wanted, ()) if word in words), "")

    def _change(self, name: str, value: str) -> Change | None:
        if name not in self.methods:
            return None
        method, key = self.methods[name]
        if method == "session/set_config_option":
            return Change(method, {"configId": key, "value": value}, name, value)
        return Change(method, {key: value}, name, value)


def _plain(mode: str) -> str:
    """Return the last word of a mode's id: some agents' ids are addresses."""
    return "".join(each for each in mode.rsplit("#", 1)[-1].lower() if each.isalnum())


def _current(option: Wire | None) -> str:
    return str((option or {}).get("currentValue") or "")


def _values(option: Wire | None) -> list[Wire]:
    """Return an option's values, which may be in groups."""
    found: list[Wire] = []
    for each in objects_in(option or {}, "options"):
        found += _values(each) if "options" in each else [each]
    return [each for each in found if "value" in each]
