"""The corpus brought up to date, by itself or as part of a night."""

from __future__ import annotations

from typing import Any

from flows.audit import close, running
from flows.audit import index as index_stage
from tasks.errors import ConfigError
from tasks.settings import Settings


def index(settings: Settings) -> dict[str, Any]:
    """Brings the snapshot and its FAISS index up to date; says what changed.

    Raises:
        ConfigError: no corpus is configured, or it is missing.
    """
    if not settings.corpus.path:
        raise ConfigError("no corpus is configured; set corpus.path to a folder, file or glob of documents")
    with running("index", settings, {"corpus": settings.corpus.name}) as (run, bench, validator):
        corpus = index_stage(run, bench, validator)
        summary = {} if corpus is None else {"snapshot": corpus.snapshot, **corpus.summary}
        outcome = close(run, bench, validator, [], extra=summary)
    return {"run_id": outcome.run_id, **summary, "warnings": outcome.warnings}
