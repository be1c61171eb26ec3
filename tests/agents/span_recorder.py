"""An SDK of OpenTelemetry that only keeps what it is told, on the classes of its interface."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

__all__ = ["Recorded", "Recorder"]

_numbers = itertools.count(1)


class Recorded(trace.Span):
    """A span, and all that was said of it."""

    def __init__(self, name: str, kind: SpanKind, above: trace.Span, told: Any) -> None:
        self.name = name
        self.kind = kind
        self.above = above if isinstance(above, Recorded) else None
        self.attributes: dict[str, Any] = dict(told or {})
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.status: Status | None = None
        self.ends = 0
        number = next(_numbers)
        self._context = SpanContext(number, number, False, TraceFlags(TraceFlags.SAMPLED))

    def end(self, end_time: int | None = None) -> None:
        self.ends += 1

    def get_span_context(self) -> SpanContext:
        return self._context

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self.events.append((name, dict(attributes or {})))

    def update_name(self, name: str) -> None:
        self.name = name

    def is_recording(self) -> bool:
        return self.ends == 0

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(self, exception: BaseException, *_: Any, **__: Any) -> None:
        self.events.append(("exception", {"text": repr(exception)}))

    @property
    def failed(self) -> bool:
        return self.status is not None and self.status.status_code is StatusCode.ERROR


class Recorder(trace.TracerProvider):
    """Where tracers come from; `spans` has all spans in the order of their beginnings."""

    def __init__(self) -> None:
        self.spans: list[Recorded] = []
        self.lock = threading.Lock()

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return _Tracer(self)

    def named(self, name: str) -> list[Recorded]:
        return [span for span in self.spans if span.name == name]


class _Tracer(trace.Tracer):
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    def start_span(
        self,
        name: str,
        context: Any = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        *_: Any,
        **__: Any,
    ) -> Recorded:
        span = Recorded(name, kind, trace.get_current_span(context), attributes)
        with self.recorder.lock:
            self.recorder.spans.append(span)
        return span

    def start_as_current_span(self, *args: Any, **options: Any) -> Iterator[Any]:
        raise NotImplementedError
