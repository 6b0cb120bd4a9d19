"""OpenTelemetry spans in files, as file exporters write them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tasks.sources import otlp_messages, trace_files
from tasks.sources.base import Batch, Scope
from tasks.sources.parameters import PathSettings
from tasks.sources.trace_files import TraceSettings


@dataclass(frozen=True, kw_only=True)
class OtlpSettings(TraceSettings, PathSettings):
    """OpenTelemetry traces, as file exporters write them."""

    kind: Literal["otlp"]
    """OTLP JSON lines or protobuf, packed or not; GenAI, OpenInference and OpenLLMetry attributes."""


def reach(source: OtlpSettings) -> str:
    """How many files there are.

    Raises:
        SourceError: none, or they cannot be listed.
    """
    return trace_files.reach(source.path)


def pull(source: OtlpSettings, scope: Scope) -> Iterator[Batch]:
    """Answers of the traces that are new or were open.

    Raises:
        SourceError: nothing at the source's path, or the store cannot be reached.
    """
    yield from trace_files.pull(source, source.path, scope, otlp_messages.spans)
