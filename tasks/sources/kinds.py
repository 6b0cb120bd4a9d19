"""Every kind of source: the parameter class that people write, and the module behind it."""

from __future__ import annotations

from typing import Any

from tasks.sources import atif, files, langfuse, langsmith, mlflow, otlp, phoenix, sql
from tasks.sources.atif import AtifSettings
from tasks.sources.base import Counting, Source
from tasks.sources.langfuse import LangfuseSettings
from tasks.sources.langsmith import LangsmithSettings
from tasks.sources.mlflow import MlflowSettings
from tasks.sources.otlp import OtlpSettings
from tasks.sources.parameters import FilesSettings, SourceSettings
from tasks.sources.phoenix import PhoenixSettings
from tasks.sources.sql import SqlSettings

SETTINGS: dict[str, type[SourceSettings]] = {
    "atif": AtifSettings,
    "files": FilesSettings,
    "langfuse": LangfuseSettings,
    "langsmith": LangsmithSettings,
    "mlflow": MlflowSettings,
    "otlp": OtlpSettings,
    "phoenix": PhoenixSettings,
    "sql": SqlSettings,
}
SOURCES: dict[str, Source[Any]] = {
    "atif": atif,
    "files": files,
    "langfuse": langfuse,
    "langsmith": langsmith,
    "mlflow": mlflow,
    "otlp": otlp,
    "phoenix": phoenix,
    "sql": sql,
}
COUNTING: dict[str, Counting[Any]] = {"langfuse": langfuse, "mlflow": mlflow, "phoenix": phoenix, "sql": sql}
"""Kinds that can say how many records a day has; of the others, what their readers saw is compared."""


def reach(source: SourceSettings) -> str:
    """What is at a source, in a few words.

    Raises:
        SourceError: it cannot be reached.
    """
    return SOURCES[source.kind].reach(source)
