"""The corpus brought up to date by itself; a night does it before it judges."""

from __future__ import annotations

from flows import stages
from flows.orchestrator import flow
from flows.outcome import Outcome, conclude
from flows.run import finish, opened
from tasks.errors import ConfigError
from tasks.settings import load


@flow("index")
def index(config: str | None = None, lake: str | None = None) -> Outcome:
    """Brings the corpus snapshot and its FAISS index up to date.

    Args:
        config: Configuration file on the machine that runs this; its claimledger.toml by default.
        lake: Lake to use instead of the configured one.

    Raises:
        ConfigError: no corpus is configured, or it is missing.
        EndedWithProblemsError: done, but the ledger needs attention.
    """
    settings = load(config, lake=lake)
    if not settings.corpus.path:
        raise ConfigError("no corpus is configured; set corpus.path to a folder, file or glob of documents")
    with opened("index", settings, {"corpus": settings.corpus.name}) as run:
        stages.index(run)
        finish(run)
    corpus = run.corpus
    return conclude(
        run,
        {"snapshot": corpus.snapshot, **corpus.summary, "index": corpus.method.as_dict()} if corpus else {},
    )
