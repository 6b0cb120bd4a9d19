"""Every column and every table of the lake, declared once: names, types, units, keys, rules, one line each.

What a column and a table are is `schema.py`; what a declaration renders to is `gate/suites.py`. A column that
two tables share is one Python object, so equal names mean equal quantities in equal units.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from tasks import ids
from tasks.schema import Between, Column, EqualWhere, Matches, NotAbove, OneOf, Table, conform

UTC = pl.Datetime("us", "UTC")
VERDICTS = ("supported", "contradicted", "insufficient")
"""In this order everywhere: columns of probabilities, classes of a network, rows of a page."""
PROBABILITIES = tuple(f"p_{verdict}" for verdict in VERDICTS)
ACTIONS = ("delivered", "rephrased", "escalated")
ERASED = "[erased]"
"""What stands where an erasure took words out."""
OUTCOMES = (*VERDICTS, "abstained", "no_claims")
"""What became of an output as a whole: its worst verdict, or why it has none."""
UNCHECKED = ("no_evidence", "too_few", "too_long", "no_answer", "language")
"""Why a claim could not be checked at all."""
INSUFFICIENT_BECAUSE = (*UNCHECKED, "conflict", "not_settled")
CITATIONS = ("holds", "other", "none")
"""Whether what a claim cites supports it; only another passage does; or nothing does."""
KINDS = ("factual", "other", "abstention")
ORIGINS = ("context", "tool", "corpus", "looked_up")
TOOL = "tool:"
"""Scheme of the address of what a tool returned during the turn; the tool's name follows."""
CORPUS = "corpus:"
"""Scheme of the address of a document that a record names without text; its address in the corpus follows."""
CAUGHT_STATES = ("caught", "late", "unknown")
CAUGHT_BECAUSE = ("recorded_first", "held", "delivered_first", "delivered_anyway", "not_known")
"""Why an output that failed is in its state; `decide/caught.py` says when each applies."""
CAUSES = ("evidence", "verifier", "policy", "combination", "unexplained")
"""What a flip may be caused by; `reaudit/flips.py` says when each applies."""
COMPLETENESS_STATES = ("complete", "missing", "surplus", "open", "unknown", "never_pulled")
RUN_STATUS = ("running", "completed", "failed", "interrupted", "died")

_CONTEXTS = pl.List(pl.Struct({"uri": pl.String, "text": pl.String}))
_HEX = Matches("^[0-9a-f]{64}$")
_PROBABILITY = Between(0.0, 1.0)


def _offset(name: str, description: str) -> Column:
    """A place in a text, null where there is none."""
    return Column(name, pl.Int32, description, unit="characters", nullable=True, rules=(Between(0),))


def _id(name: str, description: str) -> Column:
    return Column(name, pl.String, description, rules=(_HEX,))


def _probability(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit="probability", rules=(_PROBABILITY,))


output_id = _id("output_id", "The output: SHA-256 over source, source id and content")
claim_id = _id("claim_id", "The claim: SHA-256 over output and span")
passage_id = _id("passage_id", "The passage: SHA-256 over its location and its text")
verdict_id = _id("verdict_id", "The verdict: SHA-256 over claim, verifier, policy and snapshot")
run_id = _id("run_id", "The run that wrote this row")
verifier = _id("verifier", "Fingerprint of the verifier: weights, settings and calibration")
policy = Column("policy", pl.String, "Policy that decided, as name@version")
snapshot = _id("snapshot", "Corpus state the run saw, named by its content hash")
produced_at = Column("produced_at", UTC, "When the agent gave the output", unit="UTC")
source = Column("source", pl.String, "Configured name of the source")
agent = Column("agent", pl.String, "Agent that answered")
model = Column("model", pl.String, "Language model behind the agent", nullable=True)
use_case = Column("use_case", pl.String, "Use case, which selects the policy")
start = Column(
    "start", pl.Int64, "First character of the span", unit="Unicode characters", rules=(Between(0),)
)
end = Column(
    "end", pl.Int64, "One past the last character of the span", unit="Unicode characters", rules=(Between(1),)
)
ordinal = Column("ordinal", pl.Int32, "Position, counted from 0", rules=(Between(0),))
reason = Column("reason", pl.String, "Why, in plain words")
p_supported = _probability("p_supported", "Calibrated probability that the evidence supports the claim")
p_contradicted = _probability(
    "p_contradicted", "Calibrated probability that the evidence contradicts the claim"
)
p_insufficient = _probability(
    "p_insufficient", "Calibrated probability that the evidence does not settle the claim"
)
verdict = Column("verdict", pl.String, "What the evidence says about the claim", rules=(OneOf(VERDICTS),))
verdict_ids = Column("verdict_ids", pl.List(pl.String), "Verdicts on which the decision rests")

_delivered_at = Column(
    "delivered_at",
    UTC,
    "When the answer reached its user, as its source says; null where it does not say, or it had not",
    unit="UTC",
    nullable=True,
)

OUTPUTS = Table(
    "outputs",
    ("output_id",),
    "Answers that agents gave, with their questions and contexts",
    (
        output_id,
        produced_at,
        source,
        Column("source_id", pl.String, "The record's own id at the source"),
        agent,
        model,
        use_case,
        Column("session_id", pl.String, "Conversation at the source", nullable=True),
        Column("prompt", pl.String, "What the agent was asked", nullable=True),
        Column("response", pl.String, "What the agent answered"),
        Column(
            "contexts",
            _CONTEXTS,
            "Evidence the agent itself was given; the text of `corpus:ADDRESS` is looked up in the corpus",
        ),
        Column("tools", pl.List(pl.String), "Names of the tools the agent used"),
        Column("metadata", pl.String, "What else the record carried, as JSON"),
        _id("content_sha256", "SHA-256 over every field above, so that a changed record is detected"),
        Column(
            "supersedes",
            pl.String,
            "Earlier output of the same source id that this one replaces",
            nullable=True,
            rules=(_HEX,),
        ),
        Column("ingested_at", UTC, "When the record was pulled", unit="UTC"),
        run_id,
        Column(
            "language",
            pl.String,
            "Language of the response, ISO 639; `und` where it is unclear; null in files of earlier releases "
            "and once erased",
            nullable=True,
            rules=(Matches("^[a-z]{2,3}$"),),
        ),
        Column(
            "sampling_probability",
            pl.Float64,
            "Probability with which the source's `sample` drew the output; 1 where all are audited; null, "
            "which is 1, in files of earlier releases. Rates weigh by its inverse",
            unit="probability",
            nullable=True,
            rules=(_PROBABILITY,),
        ),
        _delivered_at,
        Column(
            "is_delivered",
            pl.Boolean,
            "Whether the answer was delivered when its record was read; null where the source does not say, "
            "and in files of earlier releases",
            nullable=True,
        ),
        Column(
            "action_taken",
            pl.String,
            "What the agent's own system did with the answer, as its record says; null where it does not say",
            nullable=True,
            rules=(OneOf(ACTIONS),),
        ),
    ),
)

CLAIMS = Table(
    "claims",
    ("claim_id",),
    "Checkable statements inside outputs; response[start:end] == text",
    (
        claim_id,
        output_id,
        ordinal,
        start,
        end,
        Column("text", pl.String, "The claim's text, exactly as in the response"),
        Column(
            "kind",
            pl.String,
            "factual; abstention: agent or material does not know; other: questions, greetings, refusals",
            rules=(OneOf(KINDS),),
        ),
        produced_at,
        run_id,
    ),
    references=(("output_id", "outputs", "output_id"),),
)

PASSAGES = Table(
    "passages",
    ("passage_id",),
    "Pieces of evidence text, from an output's own contexts or from the corpus",
    (
        passage_id,
        Column("corpus", pl.String, "`context` for an output's own contexts, else the corpus's name"),
        output_id.optional(),
        Column("document_uri", pl.String, "Address of the document, as its source names it"),
        ordinal,
        start,
        end,
        Column(
            "text",
            pl.String,
            "The passage's text, exactly as in the document from `start` to `end`; a passage that goes on "
            "with a table has the table's header before it",
        ),
        Column(
            "snapshot_first_seen",
            pl.String,
            "First snapshot that held the passage; null for contexts",
            nullable=True,
            rules=(_HEX,),
        ),
        Column(
            "snapshot_last_seen",
            pl.String,
            "Last snapshot that held it; null while the newest does, and for contexts",
            nullable=True,
            rules=(_HEX,),
        ),
        replace(
            produced_at,
            description="When the output was given (contexts) or the passage first indexed (corpus)",
        ),
        run_id,
    ),
)

EVIDENCE = Table(
    "evidence",
    ("claim_id", "verifier", "snapshot", "rank"),
    "The score of every passage that was shown to the verifier for a claim",
    (
        claim_id,
        output_id,
        verifier,
        snapshot,
        Column("rank", pl.Int32, "Retrieval rank, 0 is best", rules=(Between(0),)),
        passage_id,
        Column(
            "origin",
            pl.String,
            "context: the output's own; tool: what a tool returned; corpus: the team's documents; "
            "looked_up: the corpus's text of a document that the output names without its text",
            rules=(OneOf(ORIGINS),),
        ),
        Column(
            "retrieval_score",
            pl.Float64,
            "Reciprocal-rank fusion of dense and lexical retrieval",
            rules=(Between(0.0),),
        ),
        p_supported,
        p_contradicted,
        p_insufficient,
        Column(
            "tokens_offered",
            pl.Int32,
            "Tokens of claim and passage together",
            unit="tokens",
            rules=(Between(0),),
        ),
        Column(
            "tokens_seen",
            pl.Int32,
            "Tokens the verifier read in at least one window",
            unit="tokens",
            rules=(
                Between(0),
                NotAbove("tokens_offered"),
                EqualWhere("tokens_offered", "p_insufficient", 1.0),
            ),
        ),
        Column(
            "windows", pl.Int32, "Windows the pair was read in; 0 means it did not fit", rules=(Between(0),)
        ),
        produced_at,
        run_id,
    ),
    references=(("claim_id", "claims", "claim_id"),),
)

VERDICTS_TABLE = Table(
    "verdicts",
    ("verdict_id",),
    "One verdict per factual claim, verifier, policy and snapshot",
    (
        verdict_id,
        claim_id,
        output_id,
        run_id,
        Column("verified_at", UTC, "When the verdict was reached", unit="UTC"),
        produced_at,
        verdict,
        p_supported,
        p_contradicted,
        p_insufficient,
        verifier,
        Column(
            "verifier_name",
            pl.String,
            "Name of the verifier; null in files of earlier releases",
            nullable=True,
        ),
        policy,
        Column(
            "threshold_supported",
            pl.Float64,
            "Policy's threshold on p_supported",
            unit="probability",
            rules=(_PROBABILITY,),
        ),
        Column(
            "threshold_contradicted",
            pl.Float64,
            "Policy's threshold on p_contradicted",
            unit="probability",
            rules=(_PROBABILITY,),
        ),
        snapshot,
        Column("evidence_ids", pl.List(pl.String), "Passages behind the verdict, best first"),
        Column("is_conflict", pl.Boolean, "One passage supports and another contradicts"),
        Column(
            "insufficient_because",
            pl.String,
            "Why the verdict is insufficient. Not checked: no_evidence was recorded or retrieved; too_few "
            "passages for the policy; too_long for the verifier; no_answer of a remote verifier; language "
            "that the verifier does not read. Checked: conflict between passages; not_settled by them. Null "
            "for other verdicts and in files of earlier releases",
            nullable=True,
            rules=(OneOf(INSUFFICIENT_BECAUSE),),
        ),
        reason,
        Column(
            "citation",
            pl.String,
            "holds: a passage that the answer cites for the claim supports it; other: only another passage "
            "does; none: no passage does. Null without citation, where no passage of the cited document was "
            "read, and in files of earlier releases",
            nullable=True,
            rules=(OneOf(CITATIONS),),
        ),
        _offset(
            "decisive_start",
            "First character of the sentence that decided, in the text of the first of evidence_ids; null "
            "where no sentence shares a word with the claim",
        ),
        _offset("decisive_end", "Character after the last of that sentence"),
        source,
        agent,
        model,
        use_case,
    ),
    references=(("claim_id", "claims", "claim_id"),),
)

ACTIONS_TABLE = Table(
    "actions",
    ("action_id",),
    "What the policy prescribes for an output because of its verdicts",
    (
        _id("action_id", "The action: SHA-256 over output, policy, verdicts and any address of the verifier"),
        output_id,
        run_id,
        Column("decided_at", UTC, "When the action was decided", unit="UTC"),
        produced_at,
        Column("action", pl.String, "delivered, rephrased or escalated", rules=(OneOf(ACTIONS),)),
        Column(
            "outcome",
            pl.String,
            "The worst verdict of the output's claims; abstained: it makes none and says that it does not "
            "know; no_claims: it makes none",
            rules=(OneOf(OUTCOMES),),
        ),
        Column(
            "abstention_count",
            pl.Int32,
            "Sentences of the output that say that agent or material does not know",
            unit="sentences",
            rules=(Between(0),),
        ),
        replace(
            passage_id,
            name="overlooked_passage_id",
            description="A hint where the output abstained: the passage with a sentence so close to its "
            "question that the evidence seems to have the answer",
            nullable=True,
        ),
        _offset("overlooked_start", "First character of that sentence in the passage's text"),
        _offset("overlooked_end", "Character after the last of that sentence"),
        Column(
            "overlooked_similarity",
            pl.Float64,
            "Cosine of question and sentence",
            nullable=True,
            rules=(Between(-1.0, 1.0),),
        ),
        policy,
        reason,
        verdict_ids,
    ),
    references=(("output_id", "outputs", "output_id"),),
)

CAUGHT = Table(
    "caught",
    ("caught_id",),
    "Whether each output that failed its verification was caught before its user had it; of an output the "
    "row with the newest known_at counts",
    (
        _id("caught_id", "SHA-256 over action, state and time of delivery, so that a change is a row more"),
        output_id,
        _id("action_id", "The first action of the output that is not `delivered`"),
        Column("action", pl.String, "That action", rules=(OneOf(ACTIONS[1:]),)),
        Column("decided_at", UTC, "When the action was decided", unit="UTC"),
        Column(
            "recorded_at",
            UTC,
            "When its verdicts were recorded, from which on somebody could act: what delivered_at is "
            "compared with; decided_at of actions of earlier releases",
            unit="UTC",
        ),
        _delivered_at,
        Column(
            "state",
            pl.String,
            "caught: recorded before the delivery; late: delivered first; unknown: the source does not say",
            rules=(OneOf(CAUGHT_STATES),),
        ),
        Column(
            "because",
            pl.String,
            "recorded_first; held: its own system withheld it, or the record says that it was not delivered; "
            "delivered_first; delivered_anyway: after the action and against it; not_known",
            rules=(OneOf(CAUGHT_BECAUSE),),
        ),
        Column(
            "hours",
            pl.Float64,
            "Of a late one, from delivery to recorded verdicts, 0 where it was delivered anyway; null where "
            "the time of the delivery is not known",
            unit="hours",
            nullable=True,
            rules=(Between(0.0),),
        ),
        Column("known_at", UTC, "When this was known", unit="UTC"),
        produced_at,
        run_id,
    ),
    references=(("output_id", "outputs", "output_id"), ("action_id", "actions", "action_id")),
)

ACTIONS_TAKEN = Table(
    "actions_taken",
    ("taken_id",),
    "What the agent's own system really did with outputs, beside what was decided; of an output the row with "
    "the newest noted_at counts",
    (
        _id("taken_id", "SHA-256 over output, action, time and origin"),
        output_id,
        Column("action", pl.String, "What was done", rules=(OneOf(ACTIONS),)),
        Column("taken_at", UTC, "When it was done; null where that is not known", unit="UTC", nullable=True),
        Column(
            "origin",
            pl.String,
            "source: the output's record says so; import: `claimledger actions import` brought it",
            rules=(OneOf(("source", "import")),),
        ),
        Column(
            "action_id",
            pl.String,
            "The decision that it is compared with: the newest at that time, else the first; null without "
            "one",
            nullable=True,
            rules=(_HEX,),
        ),
        Column("decided", pl.String, "The action of that decision", nullable=True, rules=(OneOf(ACTIONS),)),
        Column(
            "is_deviation",
            pl.Boolean,
            "Something else was done than was decided; null without a decision",
            nullable=True,
        ),
        Column(
            "is_before",
            pl.Boolean,
            "It was done before it was decided; null without a decision",
            nullable=True,
        ),
        Column("noted_at", UTC, "When it was read or imported", unit="UTC"),
        produced_at,
        run_id,
    ),
    references=(("output_id", "outputs", "output_id"),),
)

FINDINGS = Table(
    "findings",
    ("finding_id",),
    "What was found in responses: confidential data and text of others, shown masked, and text that "
    "addresses the verifier",
    (
        _id("finding_id", "The finding: SHA-256 over output, detector and span"),
        output_id,
        run_id,
        produced_at,
        Column("kind", pl.String, "What was found, for example email, credit_card or judge_address"),
        start,
        end,
        Column(
            "masked",
            pl.String,
            "The found text with all but its outline masked; of a judge_address, what it is",
        ),
        Column("detector", pl.String, "Detector and its version"),
        Column(
            "confidence", pl.Float64, "Confidence of the detector", unit="ratio", rules=(Between(0.0, 1.0),)
        ),
        Column("found_at", UTC, "When it was found", unit="UTC"),
        Column(
            "origin",
            pl.String,
            "Of a leak: whose text it is (session, tenant, system_prompt, confidential) and which output, "
            "file or line has it; null of other kinds, once erased and in files of earlier releases",
            nullable=True,
        ),
        Column(
            "value_hmac",
            pl.String,
            "Of a leak: HMAC-SHA-256 of its words under a key of yours, so that copies of one text can be "
            "counted; null without a key, of other kinds, once erased and in files of earlier releases",
            nullable=True,
            rules=(_HEX,),
        ),
    ),
    references=(("output_id", "outputs", "output_id"),),
)

REVIEW_OUTCOMES = ("confirmed", "overturned", "unsure", "withdrawn")
"""What a person decides about a verdict."""
DECISIVE = REVIEW_OUTCOMES[:2]
"""Outcomes that say whether the verdict is right."""
REVIEWS = Table(
    "reviews",
    ("review_id",),
    "People's decisions on verdicts",
    (
        _id("review_id", "The review: SHA-256 over verdict, reviewer, time and outcome"),
        verdict_id,
        claim_id,
        Column("reviewer", pl.String, "Who reviewed"),
        Column(
            "outcome",
            pl.String,
            "confirmed, overturned or unsure; withdrawn where the reviewer took an earlier decision back",
            rules=(OneOf(REVIEW_OUTCOMES),),
        ),
        Column(
            "corrected_verdict",
            pl.String,
            "The correct verdict, if overturned",
            nullable=True,
            rules=(OneOf(VERDICTS),),
        ),
        Column("comment", pl.String, "The reviewer's words", nullable=True),
        Column("reviewed_at", UTC, "When it was reviewed", unit="UTC"),
        Column("recorded_at", UTC, "When it was imported into the lake", unit="UTC", nullable=True),
        Column(
            "channel",
            pl.String,
            "page, whose reviewer signed in; sheet, which names one; source, whose score names one; null in "
            "earlier releases",
            nullable=True,
            rules=(OneOf(("page", "sheet", "source")),),
        ),
        Column(
            "supersedes",
            pl.String,
            "The same reviewer's earlier review of this verdict, which this one replaces",
            nullable=True,
            rules=(_HEX,),
        ),
        Column(
            "is_adjudication",
            pl.Boolean,
            "It decides between reviewers who disagreed, of whom this one is none; null in earlier releases",
            nullable=True,
        ),
        produced_at,
        run_id,
    ),
    references=(("verdict_id", "verdicts", "verdict_id"),),
)

EVENTS = Table(
    "events",
    ("sequence",),
    "Rendering of the append-only log, one line per meaningful act",
    (
        Column("sequence", pl.Int64, "Index in the log, from 0", rules=(Between(0),)),
        _id("event_id", "The event: SHA-256 of its canonical bytes"),
        Column(
            "kind",
            pl.String,
            "verification, re-verification, flip, review, action, action_taken, finding, erasure, hold, "
            "configuration, pack, run, health",
        ),
        Column("occurred_at", UTC, "When the act happened", unit="UTC"),
        Column("subject_id", pl.String, "Id of the subject of the act"),
        Column(
            "actor",
            pl.String,
            "Who acted, of runs, reviews, actions taken, erasures and configuration: what CLAIMLEDGER_ACTOR "
            "says, else Prefect's run, else os:USER@HOST; null for what a run did, and in earlier releases",
            nullable=True,
        ),
        Column("body", pl.String, "Canonical JSON, the bytes that are hashed"),
        _id("leaf_hash", "RFC 6962 leaf hash: SHA-256(0x00 ‖ body)"),
        run_id,
    ),
    partition_by="occurred_at",
)

DELIVERIES = Table(
    "deliveries",
    ("endpoint", "leaf_index", "message", "status"),
    "What each endpoint of `[[webhooks]]` acknowledged or refused, one row an event and endpoint",
    (
        Column("endpoint", pl.String, "Name of the endpoint"),
        Column(
            "leaf_index",
            pl.Int64,
            "Index of the event in the log; of a checkpoint, how many events it covers",
            rules=(Between(0),),
        ),
        _id("event_id", "The event, or SHA-256 of the checkpoint's text"),
        Column(
            "message",
            pl.String,
            "event; withheld, where the endpoint got the leaf hash alone; or checkpoint",
            rules=(OneOf(("event", "withheld", "checkpoint")),),
        ),
        Column("attempts", pl.Int64, "Requests until it was settled", rules=(Between(1),)),
        Column(
            "status",
            pl.String,
            "delivered, or dead where the endpoint refused it; a replay adds a row",
            rules=(OneOf(("delivered", "dead")),),
        ),
        Column("delivered_at", UTC, "When that was kept, within half a second", unit="UTC"),
        run_id,
    ),
    partition_by="delivered_at",
)

QUARANTINE = Table(
    "quarantine",
    ("row_sha256",),
    "Rows that a stage refused, with the reason; nothing is dropped silently",
    (
        _id("row_sha256", "SHA-256 over table, source, locator and raw bytes"),
        Column("table", pl.String, "Table the row was meant for"),
        source,
        Column("locator", pl.String, "Location of the row: file and line, byte offset, or id"),
        Column("check", pl.String, "Name of the check that refused it"),
        reason,
        Column(
            "raw", pl.String, "The original row, truncated to a bounded length, with invalid bytes as escapes"
        ),
        run_id,
        Column("quarantined_at", UTC, "When it was refused", unit="UTC"),
    ),
    partition_by=None,
)

HEALTH = Table(
    "health",
    ("target", "checked_at"),
    "Whether each source, corpus and sink could be reached",
    (
        Column("target", pl.String, "What was checked"),
        Column("kind", pl.String, "source, corpus, sink or model"),
        Column("checked_at", UTC, "When", unit="UTC"),
        Column("ok", pl.Boolean, "Reached and readable"),
        Column("latency_ms", pl.Float64, "Time to answer", unit="ms", nullable=True, rules=(Between(0.0),)),
        Column(
            "lag_s", pl.Float64, "Age of the newest record at the time of the check", unit="s", nullable=True
        ),
        Column("error", pl.String, "What is wrong, in one sentence", nullable=True),
        run_id,
        Column(
            "answers",
            pl.Float64,
            "Of a source, answers of the last whole UTC day, weighted by their sampling probability",
            unit="answers",
            nullable=True,
            rules=(Between(0.0),),
        ),
        Column(
            "usual_low",
            pl.Float64,
            "Lower end of what is usual for its weekday",
            unit="answers",
            nullable=True,
        ),
        Column(
            "usual_high",
            pl.Float64,
            "Upper end of what is usual for its weekday",
            unit="answers",
            nullable=True,
        ),
        Column(
            "alarms",
            pl.List(pl.String),
            "What is unusual, in sentences that begin with volume, late, slow, field or model",
            nullable=True,
        ),
    ),
    partition_by=None,
)

COMPLETENESS = Table(
    "completeness",
    ("run_id", "source", "day"),
    "Per source and UTC day, how many answers the source counts and how many the lake accounts for",
    (
        source,
        Column("day", pl.Date, "UTC day on which the answers were given"),
        Column(
            "theirs",
            pl.Int64,
            "What the source counts for the day, by `basis`; null where it cannot tell or was not asked",
            unit="records",
            nullable=True,
            rules=(Between(0),),
        ),
        Column(
            "ours",
            pl.Int64,
            "Of the day, published, quarantined and left out for a known reason, together",
            unit="records",
            rules=(Between(0),),
        ),
        Column(
            "missing_ids",
            pl.List(pl.String),
            "Ids at the source that are not accounted for, the first 1,000; null where they are not known",
            nullable=True,
        ),
        Column(
            "missing_count",
            pl.Int64,
            "Records that the source counts and the lake does not account for; null where not known",
            unit="records",
            nullable=True,
            rules=(Between(0),),
        ),
        Column(
            "quarantined",
            pl.Int64,
            "Of `ours`, refused",
            unit="records",
            rules=(Between(0), NotAbove("ours")),
        ),
        Column(
            "left_out",
            pl.Int64,
            "Of `ours`, no answer, not yet complete, or left out by configuration",
            unit="records",
            rules=(Between(0), NotAbove("ours")),
        ),
        Column(
            "basis",
            pl.String,
            "source: its own count; reader: what its reader handed over in this run; none: no count",
            rules=(OneOf(("source", "reader", "none")),),
        ),
        Column(
            "state",
            pl.String,
            "complete; missing: the source has more; surplus: the lake has more; open: the day is not over; "
            "unknown: no count; never_pulled: a day without a record between days that have some",
            rules=(OneOf(COMPLETENESS_STATES),),
        ),
        Column("reason", pl.String, "Why, in words; null where it is complete", nullable=True),
        Column("checked_at", UTC, "When the source was asked", unit="UTC"),
        run_id,
    ),
    partition_by=None,
)

DRIFT = Table(
    "drift",
    ("report_id", "slice", "metric"),
    "What changed between a baseline and a current window: one row per slice and metric",
    (
        _id("report_id", "The drift report: SHA-256 over windows, parameters and the files read"),
        Column("slice", pl.String, "`all`, or for example agent=bing_chat or agent=bing_chat&model=gpt-4"),
        Column(
            "slice_kind", pl.String, "`all`, or the columns that define the slice, for example agent&model"
        ),
        Column("metric", pl.String, "Metric's name"),
        Column("unit", pl.String, "What the values count or measure"),
        Column("window_start", pl.Date, "First UTC day of the current window"),
        Column("window_end", pl.Date, "Last UTC day of the current window"),
        Column("baseline_kind", pl.String, "rolling, fixed or release"),
        Column("baseline_start", pl.Date, "First UTC day of the baseline", nullable=True),
        Column("baseline_end", pl.Date, "Last UTC day of the baseline, before the window", nullable=True),
        Column("baseline_days", pl.Int32, "Days of the baseline that have rows", rules=(Between(0),)),
        Column("current_days", pl.Int32, "Days of the window that have rows", rules=(Between(0),)),
        Column("baseline_count", pl.Float64, "Units (claims, outputs, reviews) in the baseline, weighted"),
        Column("current_count", pl.Float64, "Units in the current window, weighted"),
        Column("baseline_pooled", pl.Float64, "Plain ratio over the whole baseline", nullable=True),
        Column(
            "baseline_value",
            pl.Float64,
            "Value that the baseline predicts for the window's weekdays",
            nullable=True,
        ),
        Column("current_value", pl.Float64, "Value in the current window", nullable=True),
        Column("difference", pl.Float64, "Current minus baseline", nullable=True),
        Column("ci_low", pl.Float64, "Lower end of the difference's 95% interval", nullable=True),
        Column("ci_high", pl.Float64, "Upper end of the difference's 95% interval", nullable=True),
        Column(
            "effect_size",
            pl.Float64,
            "Cohen's h for shares, Glass's delta for means, log ratio for volumes and distances",
            nullable=True,
        ),
        Column("p_value", pl.Float64, "P value of no difference", nullable=True, rules=(_PROBABILITY,)),
        Column(
            "p_adjusted",
            pl.Float64,
            "P value after Benjamini-Hochberg over all slices and metrics, weighted by metric",
            nullable=True,
            rules=(_PROBABILITY,),
        ),
        Column("threshold", pl.Float64, "Smallest difference that matters in practice", nullable=True),
        Column(
            "direction",
            pl.String,
            "worse, better, or neutral where neither way is bad",
            nullable=True,
            rules=(OneOf(("worse", "better", "neutral")),),
        ),
        Column(
            "harm",
            pl.Float64,
            "Where it drifted for the worse: units a day that are worse at least (interval's near end)",
            nullable=True,
            rules=(Between(0.0),),
        ),
        Column(
            "status",
            pl.String,
            "stable, drifted, too_few or not_measured",
            rules=(OneOf(("stable", "drifted", "too_few", "not_measured")),),
        ),
        Column(
            "part_of",
            pl.String,
            "Where it drifted: the simpler slice whose change explains this one",
            nullable=True,
        ),
        Column("changed_on", pl.Date, "Where it drifted: first UTC day of the new level", nullable=True),
        reason,
        run_id,
    ),
    partition_by=None,
)

_cause = Column(
    "cause",
    pl.String,
    "The one change that flips the verdict on its own; combination where none or several do; unexplained "
    "where that cannot be told",
    rules=(OneOf(CAUSES),),
)
_verdict_before = replace(verdict, name="verdict_before", description="Verdict as it was first given")
_weight = Column(
    "weight",
    pl.Float64,
    "Claims of the range that the sampled claim stands for",
    unit="claims",
    rules=(Between(1.0),),
)

FLIPS = Table(
    "flips",
    ("flip_id",),
    "Historical verdicts that no longer hold, each with what changed it",
    (
        _id("flip_id", "The flip: SHA-256 over run, old verdict and new verdict"),
        claim_id,
        output_id,
        produced_at,
        _id("verdict_id_before", "The verdict as it was first given"),
        verdict_id,
        _verdict_before,
        verdict,
        _cause,
        Column(
            "flips_alone",
            pl.List(pl.String),
            "Which of evidence, verifier and policy flip the verdict when only they change",
        ),
        Column(
            "attribution",
            pl.String,
            "one_at_a_time: every change from the old state alone; verifier_first: the evidence under the "
            "new verifier, because the old one could not be loaded; none: could not be separated",
            rules=(OneOf(("one_at_a_time", "verifier_first", "none")),),
        ),
        Column(
            "evidence_change",
            pl.String,
            "none: the same passages; documents: one came, changed or went; retrieval: others of the same "
            "documents were found",
            rules=(OneOf(("none", "documents", "retrieval")),),
        ),
        Column("is_delivered", pl.Boolean, "The output was delivered on the old verdict"),
        reason,
        _weight,
        source,
        agent,
        model,
        use_case,
        Column("found_at", UTC, "When the flip was found", unit="UTC"),
        run_id,
    ),
    references=(
        ("claim_id", "claims", "claim_id"),
        ("verdict_id_before", "verdicts", "verdict_id"),
        ("verdict_id", "verdicts", "verdict_id"),
    ),
)

REAUDITS = Table(
    "reaudits",
    ("run_id", "claim_id"),
    "Every claim that a re-audit drew, so that its shares can be recomputed",
    (
        run_id,
        claim_id,
        output_id,
        produced_at,
        Column("stratum", pl.String, "Stratum it was drawn from: verdict and slice, as JSON"),
        _verdict_before,
        Column(
            "outcome",
            pl.String,
            "held: the same verdict; flipped: another; unjudged: could not be judged again",
            rules=(OneOf(("held", "flipped", "unjudged")),),
        ),
        _cause.optional(),
        replace(
            reason,
            nullable=True,
            description="Why it could not be judged again, or why its cause cannot be determined",
        ),
        _weight.optional(),
        agent,
        use_case,
    ),
    references=(("claim_id", "claims", "claim_id"),),
)

FLIP_SHARES = Table(
    "flip_shares",
    ("run_id", "slice", "verdict_before", "cause"),
    "Shares of historical verdicts that no longer hold, by verdict, slice and cause",
    (
        run_id,
        Column("slice", pl.String, "Slice of the claims: all, or for example agent=bing_chat"),
        replace(_verdict_before, rules=(OneOf((*VERDICTS, "any")),)),
        replace(
            _cause, description="Cause of the flips; any is all of them", rules=(OneOf((*CAUSES, "any")),)
        ),
        Column("population", pl.Int64, "Claims of the range", unit="claims", rules=(Between(1),)),
        Column("judged", pl.Int64, "Claims drawn and judged again", unit="claims", rules=(Between(0),)),
        Column("flips", pl.Int64, "Flips among them", unit="claims", rules=(Between(0), NotAbove("judged"))),
        Column("share", pl.Float64, "Weighted share of flips", nullable=True, rules=(_PROBABILITY,)),
        Column(
            "ci_low",
            pl.Float64,
            "Lower end of the share's 95% sampling interval; null where all of the population was judged",
            nullable=True,
            rules=(_PROBABILITY, NotAbove("share")),
        ),
        Column(
            "ci_high",
            pl.Float64,
            "Upper end of the share's 95% sampling interval; null where all of the population was judged",
            nullable=True,
            rules=(_PROBABILITY,),
        ),
        Column("found_at", UTC, "When the shares were computed", unit="UTC"),
    ),
    partition_by=None,
)

RUNS = Table(
    "runs",
    ("run_id",),
    "Every run, including failed and empty ones, reconciled",
    (
        run_id,
        Column("flow", pl.String, "Flow that ran"),
        Column("started_at", UTC, "Start", unit="UTC"),
        Column("finished_at", UTC, "End; of a run that died, when its last stage began", unit="UTC"),
        Column(
            "status",
            pl.String,
            "completed; failed; interrupted by a signal; died, which the next run found",
            rules=(OneOf(RUN_STATUS),),
        ),
        Column("parameters", pl.String, "Parameters of the run, as JSON"),
        Column("code_version", pl.String, "Version of claimledger"),
        verifier.optional(),
        Column("policy", pl.String, "Policies in force, as name@version, comma-separated"),
        snapshot.optional(),
        Column("rows_in", pl.Int64, "Records pulled", rules=(Between(0),)),
        Column("rows_out", pl.Int64, "Outputs published by this run", rules=(Between(0),)),
        Column(
            "rows_already_there",
            pl.Int64,
            "Records that were already in the lake, or came twice",
            rules=(Between(0),),
        ),
        Column("rows_quarantined", pl.Int64, "Records refused", rules=(Between(0),)),
        Column(
            "counts",
            pl.String,
            "Per table, as JSON: in, published, already_there, quarantined; also filtered, joined and "
            "sampled_out, if any; of outputs also minimised: by source and path, values dropped, "
            "hashed and masked at the door, and lacks: by source, what it could not tell, and documents "
            "looked up in the corpus; of findings also redaction: answers that people read, those with "
            "something left, and the 95% interval of their share",
        ),
        Column(
            "rows_filtered",
            pl.Int64,
            "Records that a source's `where` left out; rows_in includes them",
            nullable=True,
            rules=(Between(0),),
        ),
        Column(
            "rows_joined",
            pl.Int64,
            "Records that became part of another by a source's `join`; rows_in includes them",
            nullable=True,
            rules=(Between(0),),
        ),
        Column(
            "rows_sampled_out",
            pl.Int64,
            "Records that a source's `sample` did not draw; rows_in includes them",
            nullable=True,
            rules=(Between(0),),
        ),
        Column("stage", pl.String, "The last stage that began, where it did not complete", nullable=True),
        Column("reason", pl.String, "Why it did not complete, in one sentence", nullable=True),
    ),
    partition_by=None,
)

FAILURE_WORDS = ("error", "failed", "failure", "exception")
"""Status or level in `outputs.metadata` of an answer that failed."""

OWN_PARTS = ("verifier", "corpus")
"""Kinds of the inventory that runs name and nobody has to declare."""
UNDECLARED = "seen and not declared"
UNUSED = "declared and not seen for "
NO_AGREEMENT = "no agreement on data processing"
AGREEMENT_ENDED = "the agreement ended on "
OTHER_VERSION = "version "
OUTSIDE_CLASSES = "answers that used it hold "
"""How findings of the inventory begin; several of a thing are joined by `; `."""

INVENTORY = Table(
    "inventory",
    ("run_id", "kind", "name", "version"),
    "What is in use and what is declared: agents, models, tools, sources, and claimledger's own parts",
    (
        Column("kind", pl.String, "agent, model, tool, source, integration, verifier or corpus"),
        Column("name", pl.String, "Name in outputs or in the declaration"),
        Column("version", pl.String, "Version, of models as their name ends; empty where there is none"),
        Column("first_seen_at", UTC, "First use; null where it was never seen", unit="UTC", nullable=True),
        Column("last_seen_at", UTC, "Last use", unit="UTC", nullable=True),
        Column("outputs", pl.Int64, "Answers that used it", unit="outputs", rules=(Between(0),)),
        Column(
            "contradicted",
            pl.Int64,
            "Of those, answers with a contradicted claim",
            unit="outputs",
            rules=(Between(0), NotAbove("outputs")),
        ),
        Column(
            "failed",
            pl.Int64,
            "Of those, answers that failed by their own record, and of a tool answers in which it failed; a "
            "source that records no failures has none; null in files of earlier releases",
            unit="outputs",
            nullable=True,
            rules=(Between(0), NotAbove("outputs")),
        ),
        Column(
            "error_ratio",
            pl.Float64,
            "Share of the answers that failed; null where there is none",
            unit="probability",
            nullable=True,
            rules=(_PROBABILITY,),
        ),
        Column("declared", pl.Boolean, "Declared in the inventory's files"),
        Column("owner", pl.String, "Who is responsible for it", nullable=True),
        Column("purpose", pl.String, "Its purpose", nullable=True),
        Column("region", pl.String, "Where it runs", nullable=True),
        Column("provider", pl.String, "External party that runs it", nullable=True),
        Column(
            "may_train", pl.Boolean, "The provider may train on our data; null if not stated", nullable=True
        ),
        Column("agreement_until", pl.Date, "Last day of the agreement", nullable=True),
        Column("finding", pl.String, "What is wrong, in words; null where nothing is", nullable=True),
        Column(
            "taken_at",
            UTC,
            "When it was compared; null in files of earlier releases",
            unit="UTC",
            nullable=True,
        ),
        run_id,
    ),
    partition_by=None,
)

REPORT = Table(
    "report",
    ("run_id", "ordinal"),
    "Every number and sentence of a run's page, with the query that gives it; stored beside the page",
    (
        run_id,
        ordinal,
        Column("query", pl.String, "Name of the query on the page"),
        Column(
            "key", pl.String, "Row of its result: JSON list of its key columns; empty where there is one row"
        ),
        Column("column", pl.String, "Column of its result"),
        Column("value", pl.Float64, "The number", nullable=True),
        Column("text", pl.String, "The sentence", nullable=True),
    ),
    partition_by=None,
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        OUTPUTS,
        CLAIMS,
        PASSAGES,
        EVIDENCE,
        VERDICTS_TABLE,
        ACTIONS_TABLE,
        ACTIONS_TAKEN,
        CAUGHT,
        FINDINGS,
        REVIEWS,
        EVENTS,
        DELIVERIES,
        QUARANTINE,
        HEALTH,
        COMPLETENESS,
        DRIFT,
        FLIPS,
        REAUDITS,
        FLIP_SHARES,
        RUNS,
        INVENTORY,
    )
}


def quarantine_rows(
    rows: Iterable[dict[str, str]], *, table: str, source: str, run_id: str, quarantined_at: object
) -> pl.DataFrame:
    """Refused rows as a quarantine frame.

    Each row has `locator`, `check`, `reason`, `raw`; the rest is the same for all of them.
    """
    frame = pl.DataFrame(
        list(rows), schema={"locator": pl.String, "check": pl.String, "reason": pl.String, "raw": pl.String}
    )
    frame = frame.with_columns(
        table=pl.lit(table),
        source=pl.lit(source),
        run_id=pl.lit(run_id),
        quarantined_at=pl.lit(quarantined_at, dtype=UTC),
    )
    return conform(QUARANTINE, with_digests(frame).unique("row_sha256", maintain_order=True))


def with_digests(refused: pl.DataFrame) -> pl.DataFrame:
    """Rows of QUARANTINE with their key, which is a digest of what they show."""
    columns = [refused[name] for name in ("table", "source", "locator", "check", "raw")]
    return refused.with_columns(row_sha256=ids.digest_rows("quarantine", columns))
