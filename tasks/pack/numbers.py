"""Which numbers a pack holds: every measure and share of its populations, declared once."""

from __future__ import annotations

from tasks.pack.measures import Measure, Ratio

_CURRENT = ("is_current", "=", "true")
_ERASED = ("is_erased", "=", "true")

MEASURES = (
    Measure("nights.expected", "nights that the schedule expects", (("is_expected", "=", "true"),)),
    Measure("nights.ran", "nights that ran to their end", (("state", "=", "ran"),)),
    Measure("nights.failed", "nights that began and did not complete", (("state", "=", "failed"),)),
    Measure("nights.missed", "nights that did not run at all", (("state", "=", "missed"),)),
    Measure("runs.all", "runs of any flow"),
    Measure("runs.completed", "runs that completed", (("status", "=", "completed"),)),
    Measure(
        "runs.not_completed", "runs that failed, were interrupted or died", (("status", "!=", "completed"),)
    ),
    Measure(
        "runs.settled",
        "of those, followed by a completed run of the same flow",
        (("status", "!=", "completed"), ("settled_by", "!=", "")),
    ),
    Measure(
        "runs.reconciled",
        "completed runs whose records reconcile",
        (("status", "=", "completed"), ("reconciles", "=", "true")),
    ),
    Measure(
        "runs.unreconciled",
        "completed runs whose records do not reconcile",
        (("status", "=", "completed"), ("reconciles", "!=", "true")),
    ),
    Measure("runs.pulled", "records pulled", of="sum:rows_in"),
    Measure("runs.refused", "records refused", of="sum:rows_quarantined"),
    Measure("runs.sampled_out", "records that a source's sample left unaudited", of="sum:rows_sampled_out"),
    Measure("quarantine.all", "rows in quarantine"),
    Measure(
        "completeness.days",
        "days of a source that were compared with its own count",
        (("basis", "=", "source"),),
    ),
    Measure(
        "completeness.complete",
        "of those, days that are complete",
        (("basis", "=", "source"), ("state", "=", "complete")),
    ),
    Measure(
        "completeness.uncounted", "days of a source without a count of its own", (("basis", "!=", "source"),)
    ),
    Measure("agents.rows_seen", "agents of a source that answered", (("answers", ">=", "1"),)),
    Measure(
        "agents.gaps", "of those, with days without an answer that are improbable", (("state", "=", "gap"),)
    ),
    Measure("agents.silent", "agents of the period before without an answer", (("state", "=", "silent"),)),
    Measure("use_cases.rows_seen", "use cases with answers", (("answers", ">=", "1"),)),
    Measure(
        "use_cases.gaps",
        "of those, with days without an answer that are improbable",
        (("state", "=", "gap"),),
    ),
    Measure(
        "use_cases.silent", "use cases of the period before without an answer", (("state", "=", "silent"),)
    ),
    Measure("agents.unseen", "declared agents without an answer", (("state", "=", "unseen"),)),
    Measure("numbers.numberings", "numberings of ids at the sources"),
    Measure("numbers.missing", "numbers in them without a record", of="sum:missing"),
    Measure("outputs.all", "answers"),
    Measure("outputs.decided", "answers with a decision", (("is_decided", "=", "true"),)),
    Measure(
        "outputs.undecided",
        "answers without a decision",
        (("is_decided", "=", "false"), ("is_erased", "=", "false")),
    ),
    Measure("outputs.erased", "answers that were erased", (_ERASED,)),
    Measure("outputs.claims", "factual claims in them", of="sum:claims"),
    Measure("verdicts.all", "verdicts, earlier ones of the same claim included"),
    Measure("verdicts.current", "claims by their newest verdict", (_CURRENT,)),
    Measure("verdicts.supported", "claims supported", (_CURRENT, ("verdict", "=", "supported"))),
    Measure("verdicts.contradicted", "claims contradicted", (_CURRENT, ("verdict", "=", "contradicted"))),
    Measure(
        "verdicts.insufficient",
        "claims not settled or not checked",
        (_CURRENT, ("verdict", "=", "insufficient")),
    ),
    Measure("verdicts.checked", "claims that could be checked", (_CURRENT, ("is_checked", "=", "true"))),
    Measure("verdicts.recorded", "verdicts that are events of the log", (("event_index", "!=", ""),)),
    Measure("verdicts.unrecorded", "verdicts without an event", (("event_index", "=", ""),)),
    Measure("verdicts.erased", "verdicts of erased answers", (_ERASED,)),
    Measure(
        "verdicts.minutes",
        "median minutes from answer to contradicted verdict",
        (_CURRENT, ("verdict", "=", "contradicted")),
        of="median:minutes_to_verdict",
    ),
    Measure("verdicts.verifiers", "verifiers that judged", of="distinct:verifier"),
    Measure("verdicts.models", "language models of the agents", of="distinct:model"),
    Measure("actions.all", "answers with a current decision", (_CURRENT,)),
    Measure("actions.delivered", "delivered", (_CURRENT, ("action", "=", "delivered"))),
    Measure("actions.rephrased", "rephrased", (_CURRENT, ("action", "=", "rephrased"))),
    Measure("actions.escalated", "escalated to people", (_CURRENT, ("action", "=", "escalated"))),
    Measure(
        "actions.contradicted",
        "answers with a contradicted claim",
        (_CURRENT, ("outcome", "=", "contradicted")),
    ),
    Measure(
        "actions.caught",
        "of those, not delivered unchanged",
        (_CURRENT, ("outcome", "=", "contradicted"), ("action", "!=", "delivered")),
    ),
    Measure(
        "actions.let_through",
        "of those, delivered unchanged",
        (_CURRENT, ("outcome", "=", "contradicted"), ("action", "=", "delivered")),
    ),
    Measure("caught.failed", "answers that failed their verification"),
    Measure("caught.known", "of those, with a known delivery", (("state", "!=", "unknown"),)),
    Measure("caught.caught", "of those, caught before the customer", (("state", "=", "caught"),)),
    Measure("caught.late", "answers that were delivered first", (("state", "=", "late"),)),
    Measure("caught.unknown", "failed answers whose delivery is not known", (("state", "=", "unknown"),)),
    Measure(
        "caught.minutes",
        "median minutes from delivery to detection",
        (("state", "=", "late"),),
        of="median:minutes",
    ),
    Measure(
        "actions_taken.compared",
        "answers whose actual action is known",
        (("is_last", "=", "true"), ("is_deviation", "!=", "")),
    ),
    Measure(
        "actions_taken.followed",
        "of those, as decided",
        (("is_last", "=", "true"), ("is_deviation", "=", "false")),
    ),
    Measure(
        "actions_taken.deviations",
        "of those, otherwise",
        (("is_last", "=", "true"), ("is_deviation", "=", "true")),
    ),
    Measure("findings.confidential", "findings of confidential data", (("kind", "!=", "judge_address"),)),
    Measure(
        "findings.let_through",
        "of those, in answers that were delivered",
        (("kind", "!=", "judge_address"), ("action", "=", "delivered")),
    ),
    Measure(
        "findings.addressed", "answers' passages that address the verifier", (("kind", "=", "judge_address"),)
    ),
    Measure("redaction.reviewed", "redacted answers that people read", of="sum:reviewed"),
    Measure("redaction.missed", "of those, with something left", of="sum:missed"),
    Measure("reviews.all", "verdicts reviewed by people", (("is_last", "=", "true"),)),
    Measure(
        "reviews.confirmed", "of those, confirmed", (("is_last", "=", "true"), ("outcome", "=", "confirmed"))
    ),
    Measure(
        "reviews.overturned",
        "of those, overturned",
        (("is_last", "=", "true"), ("outcome", "=", "overturned")),
    ),
    Measure("reaudits.judged", "claims judged again", (("outcome", "!=", "unjudged"),)),
    Measure("reaudits.flipped", "of those, with another verdict", (("outcome", "=", "flipped"),)),
    Measure("drift.stable", "metrics of a slice that were compared and stable", (("status", "=", "stable"),)),
    Measure("drift.drifted", "metrics of a slice that drifted", (("status", "=", "drifted"),)),
    Measure(
        "drift.worse", "of those, for the worse", (("status", "=", "drifted"), ("direction", "=", "worse"))
    ),
    Measure("health.checks", "checks of sources, corpus and sinks"),
    Measure("health.down", "of those, not reached", (("ok", "=", "false"),)),
    Measure("changes.all", "changes of the configuration"),
    Measure("changes.named", "of those, with the actor on record", (("actor", "!=", ""),)),
    Measure("changes.unnamed", "of those, without an actor", (("actor", "=", ""),)),
    Measure("changes.policies", "changes of policies", (("change", "=", "policies"),)),
    Measure("changes.verifier", "changes of the verifier", (("change", "=", "verifier"),)),
    Measure("changes.key", "changes of the signing key", (("change", "=", "key"),)),
    Measure("policies.used", "policies that decided", (("is_used", "=", "true"),)),
    Measure(
        "policies.approved",
        "of those, approved by their document",
        (("is_used", "=", "true"), ("approval", "=", "approved")),
    ),
    Measure("erasures.all", "erasures"),
    Measure("erasures.complete", "of those, with no text left in the tables", (("text_left", "=", "false"),)),
    Measure("erasures.incomplete", "of those, with text left", (("text_left", "=", "true"),)),
    Measure("events.all", "events of the log in the period's range"),
    Measure(
        "events.sampled_from", "verdicts that the sample is drawn from", (("is_sampled_from", "=", "true"),)
    ),
    Measure("checkpoints.all", "signed checkpoints"),
    Measure("checkpoints.cosigned", "of those, with a line of somebody else", (("others", "!=", ""),)),
    Measure("checkpoints.keys", "keys that signed", of="distinct:key"),
    Measure("disclosures.all", "files with disclosed texts, since the lake began"),
    Measure("inventory.in_use", "things in use", (("is_in_use", "=", "true"),)),
    Measure("inventory.declared", "things declared", (("standing", "=", "declared"),)),
    Measure("inventory.undeclared", "items in use but not declared", (("standing", "=", "not_declared"),)),
    Measure("inventory.deviating", "items with a finding", (("has_finding", "=", "true"),)),
    Measure("inventory.provided", "declared items that a provider runs", (("provider", "!=", ""),)),
    Measure("inventory.agreed", "of those, with an agreement in force", (("agreement", "=", "in_force"),)),
    Measure("inventory.answers", "answers of all agents", (("kind", "=", "agent"),), of="sum:outputs"),
    Measure(
        "inventory.failed",
        "of those, failed by their own record",
        (("kind", "=", "agent"),),
        of="sum:failed",
    ),
    Measure(
        "inventory.tool_failures",
        "answers in which a tool failed, for each of its tools",
        (("kind", "=", "tool"),),
        of="sum:failed",
    ),
    Measure("exceptions.all", "exceptions"),
    Measure("exceptions.open", "of those, open", (("done", "=", ""),)),
)
"""Over one population each; the first part of a name is the file's."""

RATIOS = (
    Ratio("nights.availability", "share of expected nights that ran", "nights.ran", "nights.expected"),
    Ratio(
        "completeness.share", "share of counted days complete", "completeness.complete", "completeness.days"
    ),
    Ratio(
        "runs.reconciliation", "share of completed runs that reconcile", "runs.reconciled", "runs.completed"
    ),
    Ratio("outputs.coverage", "share of answers with a decision", "outputs.decided", "outputs.all"),
    Ratio(
        "verdicts.coverage", "share of claims that could be checked", "verdicts.checked", "verdicts.current"
    ),
    Ratio(
        "verdicts.supported_share",
        "share of checked claims supported",
        "verdicts.supported",
        "verdicts.checked",
    ),
    Ratio(
        "verdicts.contradicted_share",
        "share of checked claims contradicted",
        "verdicts.contradicted",
        "verdicts.checked",
    ),
    Ratio("verdicts.recording", "share of verdicts in the log", "verdicts.recorded", "verdicts.all"),
    Ratio(
        "actions.caught_share",
        "share of contradicted answers not delivered unchanged",
        "actions.caught",
        "actions.contradicted",
    ),
    Ratio(
        "caught.share",
        "share of failed answers caught before the customer, of those whose delivery is known",
        "caught.caught",
        "caught.known",
        is_sampled=True,
    ),
    Ratio(
        "actions_taken.share",
        "share of answers handled as decided",
        "actions_taken.followed",
        "actions_taken.compared",
    ),
    Ratio(
        "inventory.error_ratio",
        "share of answers that failed by their own record",
        "inventory.failed",
        "inventory.answers",
    ),
    Ratio(
        "redaction.missed_share",
        "share of read answers in which the redactor left something",
        "redaction.missed",
        "redaction.reviewed",
        is_sampled=True,
    ),
    Ratio(
        "reviews.accuracy",
        "share of reviewed verdicts confirmed",
        "reviews.confirmed",
        "reviews.all",
        is_sampled=True,
    ),
    Ratio(
        "reaudits.flips",
        "share judged again with a different verdict",
        "reaudits.flipped",
        "reaudits.judged",
        is_sampled=True,
    ),
)
