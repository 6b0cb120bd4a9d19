"""The Trust Services Criteria that the audit bears on: for each the control, its population and its tests.

The criteria are named and told in our own words; their text is the AICPA's (TSP section 100, 2017 Trust
Services Criteria with the points of focus of 2022). Whether a control satisfies a criterion is the auditor's
opinion. What the software does not cover is said with the criterion.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Criterion:
    """One criterion and the control that bears on it."""

    name: str
    about: str
    control: str
    population: tuple[str, ...]
    """Files below `populations/`, without ending."""
    complete_because: str
    """Why the population is whole."""
    design: str
    """How the design was tested."""
    operation: str
    """How operating effectiveness was tested over the period."""
    numbers: tuple[str, ...]
    """Measures and shares that are the results."""
    needs: tuple[str, ...]
    """Measures of which one at least must not be 0; else nothing was tested."""
    beyond: str = ""
    """What of the criterion the software does not cover."""


_RUNS = (
    "Every run writes an event when it begins and one when it ends; a run that died is closed by the next."
)
_LOG = (
    "The events of the period follow one another without a gap, and their leaf hashes give the signed root; "
    "`check.py` computes it again."
)
_TABLES = "The tables' rows are bound by events of the log; `claimledger ledger verify` held them against it."

CRITERIA = (
    Criterion(
        "PI1.1",
        "What is to be processed, and by which rules, is defined and communicated.",
        "Policies are named and versioned, their thresholds are in every verdict's event by value; the "
        "system of record is asked how many answers a day has.",
        ("completeness", "agents", "use_cases", "numbers", "changes"),
        "One line per source and UTC day, the newest comparison of each; days without a count are "
        "counted too. One per agent that answered, answered in the period before or is declared; one per use "
        "case of this period or the one before; one per numbering of a source's ids.",
        "Read: the policy's values are in the configuration events and in each verdict.",
        "Every day of every source was compared with the source's own count, where it has one. Days without "
        "an answer were compared with each agent's and use case's own share of days with one, and numbered "
        "ids looked through for numbers that no record has.",
        (
            "completeness.days",
            "completeness.complete",
            "completeness.uncounted",
            "completeness.share",
            "agents.rows_seen",
            "agents.gaps",
            "agents.silent",
            "agents.unseen",
            "use_cases.rows_seen",
            "use_cases.gaps",
            "use_cases.silent",
            "numbers.numberings",
            "numbers.missing",
        ),
        ("completeness.days",),
        "Whether the policies express what the company promised its customers.",
    ),
    Criterion(
        "PI1.2",
        "Inputs are complete and accurate.",
        "Records pulled = published + already there + refused + left out; a run that does not reconcile "
        "fails. What is refused is kept in quarantine with the reason.",
        ("runs", "quarantine"),
        _RUNS,
        "Read: the sum is computed by each run over all tables before it may end as completed.",
        "The sum was computed again from the columns of `runs.csv`, for every completed run.",
        (
            "runs.all",
            "runs.completed",
            "runs.reconciled",
            "runs.unreconciled",
            "runs.reconciliation",
            "runs.pulled",
            "runs.refused",
            "runs.sampled_out",
            "quarantine.all",
        ),
        ("runs.completed",),
    ),
    Criterion(
        "PI1.3",
        "Processing is complete, accurate and timely.",
        "Each answer is split into claims, each factual claim is judged against evidence, and people review "
        "verdicts; what cannot be checked is said to be insufficient.",
        ("outputs", "verdicts", "reviews"),
        _TABLES,
        "Re-performance: the sample in `samples/verdicts` has claim, evidence and proof of each item.",
        "All answers of the period were matched with decisions; accuracy is what reviewers confirmed. They "
        "review what the queue puts first, not a random sample, so the interval speaks of such verdicts.",
        (
            "outputs.all",
            "outputs.claims",
            "outputs.decided",
            "outputs.undecided",
            "outputs.coverage",
            "verdicts.all",
            "verdicts.current",
            "verdicts.checked",
            "verdicts.supported",
            "verdicts.contradicted",
            "verdicts.insufficient",
            "verdicts.coverage",
            "verdicts.supported_share",
            "reviews.all",
            "reviews.confirmed",
            "reviews.overturned",
            "reviews.accuracy",
        ),
        ("outputs.all",),
        "Whether the evidence itself is true.",
    ),
    Criterion(
        "PI1.4",
        "Output is complete and accurate, and goes to those it is meant for.",
        "The policy decides whether an answer is delivered, rephrased or escalated to people; what was "
        "really done, and whether it was delivered first, is held against that.",
        ("actions", "caught", "actions_taken"),
        _TABLES,
        "Read: the action is in the event of each verdict it rests on, with the policy's version.",
        "All current decisions were taken apart by outcome and action, all failed answers by whether they "
        "were caught before their delivery: `caught.csv` names each late one. The interval speaks of the "
        "failed answers whose delivery is not known.",
        (
            "actions.all",
            "actions.delivered",
            "actions.rephrased",
            "actions.escalated",
            "actions.contradicted",
            "actions.let_through",
            "actions.caught",
            "actions.caught_share",
            "caught.failed",
            "caught.known",
            "caught.caught",
            "caught.late",
            "caught.unknown",
            "caught.share",
            "caught.minutes",
            "actions_taken.compared",
            "actions_taken.followed",
            "actions_taken.deviations",
            "actions_taken.share",
        ),
        ("actions.all",),
        "Whether the agent's own system followed the decision where nobody says what it did: that is "
        "recorded here, not enforced.",
    ),
    Criterion(
        "PI1.5",
        "What is stored is complete, accurate and protected against change.",
        "Every verdict, decision, finding, review and change is an event of an append-only Merkle log whose "
        "checkpoints are signed.",
        ("events", "verdicts"),
        _LOG,
        "Re-performance: the root was computed again from the leaf hashes of the period and the rest of "
        "the tree.",
        "Every verdict of the period was looked up in the log, and the whole lake was verified when the pack "
        "was made.",
        ("events.all", "verdicts.recorded", "verdicts.unrecorded", "verdicts.recording"),
        ("events.all",),
    ),
    Criterion(
        "CC4.1",
        "Controls are evaluated on an ongoing basis.",
        "Verdicts are compared with an earlier window every night (drift); samples of past verdicts are "
        "judged again; people review verdicts.",
        ("drift", "reaudits", "reviews"),
        "Every run of the period that measured drift or judged again; runs are counted under CC7.4.",
        "Read: thresholds and windows are in the configuration, whose changes are under CC8.1.",
        "All drift results and all claims judged again were taken.",
        (
            "drift.stable",
            "drift.drifted",
            "drift.worse",
            "reaudits.judged",
            "reaudits.flipped",
            "reaudits.flips",
            "reviews.all",
        ),
        ("drift.stable", "drift.drifted", "reaudits.judged", "reviews.all"),
    ),
    Criterion(
        "CC6.1",
        "Access to what must be protected is restricted.",
        "Only the holder of the signing key can add to the record; the key lies outside the lake, "
        "readable by its owner alone; a handed-over key signs no more. What is in use is compared with a "
        "declared inventory that names an owner of each thing.",
        ("checkpoints", "changes", "inventory"),
        "Every checkpoint from the size before the period's first event on; everything that answers and "
        "runs of the period name, and everything that is declared.",
        "Inspection: a key that others can read is refused by the program.",
        "Every checkpoint's signatures were verified when the pack was made; hand-overs are events that both "
        "keys sign. Every agent, model, tool and source of the period was looked up in the declarations.",
        (
            "checkpoints.all",
            "checkpoints.keys",
            "checkpoints.cosigned",
            "changes.key",
            "inventory.in_use",
            "inventory.declared",
            "inventory.undeclared",
            "inventory.deviating",
        ),
        ("checkpoints.all",),
        "Access to the machines, the sources, the models and the lake's folder: there is no access log here.",
    ),
    Criterion(
        "CC7.2",
        "Systems are watched for anomalies.",
        "Sources, corpus and sinks are checked in every run; text that addresses the verifier is found and "
        "reported; drift raises an alarm.",
        ("health", "findings", "drift", "inventory"),
        "Every check that a run of the period made.",
        "Read: checks are part of each run's order.",
        "All checks and findings of the period were taken, and what traces report about answers that failed.",
        (
            "health.checks",
            "health.down",
            "findings.addressed",
            "drift.worse",
            "inventory.answers",
            "inventory.failed",
            "inventory.error_ratio",
            "inventory.tool_failures",
        ),
        ("health.checks",),
        "Intrusion, malware and the network.",
    ),
    Criterion(
        "CC7.3",
        "Events are evaluated as to whether they are incidents.",
        "Answers with contradicted claims are escalated by the policy and wait in a review queue.",
        ("actions", "reviews"),
        _TABLES,
        "Read: the policy's actions are in the configuration.",
        "Escalated answers and reviews of the period were counted.",
        ("actions.contradicted", "actions.escalated", "reviews.all"),
        ("actions.all",),
        "Decisions about an escalated answer made outside the review queue.",
    ),
    Criterion(
        "CC7.4",
        "Incidents are responded to.",
        "A run that fails reports it, and the next one resumes where it stopped.",
        ("runs", "exceptions"),
        _RUNS,
        "Read: what is published stays, and the watermark moves only when a run completes.",
        "For every run that did not complete, a later completed run of the same flow was looked for.",
        ("runs.all", "runs.completed", "runs.not_completed", "runs.settled"),
        ("runs.all",),
        "Communication with customers and authorities.",
    ),
    Criterion(
        "CC8.1",
        "Changes are authorised, tested and recorded.",
        "Each change of a policy, of a section of the configuration, of the verifier or of the key is an "
        "event with its actor, from which value to which. A policy's document names its owner and who "
        "approved it.",
        ("changes", "policies"),
        _LOG,
        "Re-performance: each change has its proof in `proofs/`.",
        "All configuration events of the period were taken, and the document of every policy that decided.",
        (
            "changes.all",
            "changes.named",
            "changes.unnamed",
            "changes.policies",
            "changes.verifier",
            "changes.key",
            "policies.used",
            "policies.approved",
        ),
        ("events.all",),
        "Approval of changes other than policies: the record says who made them, not who allowed them. Of a "
        "policy the approver is who its document names.",
    ),
    Criterion(
        "C1.1",
        "Confidential information is identified and kept.",
        "Detectors look for personal and secret data in every answer; what is found is recorded masked. "
        "Where a redactor ran before, people read answers drawn at random for what it left.",
        ("findings", "redaction"),
        f"{_TABLES} Answers that people read are those of the sheet that the newest run of the period had.",
        "Read: names and versions of the detectors are with each finding.",
        "All findings of the period were matched with the decision on their answer. What people found left "
        "was counted.",
        (
            "findings.confidential",
            "findings.let_through",
            "redaction.reviewed",
            "redaction.missed",
            "redaction.missed_share",
        ),
        ("outputs.all",),
        "What the detectors do not cover, and data in prompts and sources.",
    ),
    Criterion(
        "C1.2",
        "Confidential information is disposed of.",
        "An erasure removes an answer's text everywhere and destroys its key; the log keeps that it "
        "happened, when, by whom and why.",
        ("erasures",),
        _LOG,
        "Read: the order of an erasure is fixed, and running it again finishes it.",
        "For every erasure of the period the tables were searched for what is left of the text.",
        ("erasures.all", "erasures.complete", "erasures.incomplete"),
        ("erasures.all",),
        "Copies that people took, and backups.",
    ),
    Criterion(
        "A1.1",
        "Capacity and availability are watched.",
        "The audit runs every night on a schedule.",
        ("nights",),
        "Each instant of the schedule in the period, from the lake's first run on, has one line.",
        "Read: the schedule is in the configuration, whose changes are under CC8.1.",
        "Every expected night was matched with the runs that began before the next was due.",
        ("nights.expected", "nights.ran", "nights.failed", "nights.missed", "nights.availability"),
        ("nights.expected",),
        "Availability of the agents themselves.",
    ),
    Criterion(
        "A1.2",
        "Failures are recovered from.",
        "A night that failed is made up for by the next, which pulls what is new since the last that "
        "completed.",
        ("nights", "runs"),
        "As under A1.1 and CC7.4.",
        "Read: the watermark moves only when a run completes.",
        "For every night that failed or was missed, the run that made up for it was looked for.",
        ("nights.failed", "nights.missed", "runs.not_completed", "runs.settled"),
        ("nights.expected", "runs.all"),
        "Backups of the lake, and tests of restoring it.",
    ),
    Criterion(
        "P4",
        "Personal information is used, kept and disposed of as agreed (P4.1 to P4.3).",
        "Disposal on request is the erasure of C1.2 (P4.3).",
        ("erasures",),
        _LOG,
        "As under C1.2.",
        "As under C1.2.",
        ("erasures.all", "erasures.complete"),
        ("erasures.all",),
        "Use and retention (P4.1, P4.2): no retention rule is enforced here.",
    ),
    Criterion(
        "P5",
        "People get access to their data and may have it corrected (P5.1, P5.2).",
        "An answer is found by its id at the source; a record that is delivered again with other content "
        "supersedes the earlier.",
        ("outputs",),
        _TABLES,
        "Not tested.",
        "Not tested: requests are not recorded here.",
        ("outputs.erased",),
        (),
        "Requests for access and correction are handled elsewhere.",
    ),
    Criterion(
        "P6",
        "Personal information is disclosed as agreed (P6.1 to P6.7).",
        "Files that texts were written to outside the lake (proofs, samples, review sheets) are "
        "registered, so that an erasure reaches them. Of each declared provider the agreement on data "
        "processing is on record, and whether it may train on our data.",
        ("disclosures", "inventory"),
        "Every line of the register since the lake began; it has no dates, so it cannot be limited to "
        "the period. Providers are those that the inventory declares.",
        "Read: the register is written before a file with texts is complete.",
        "Each declared provider's agreement was compared with the last day of the period. The register was "
        "counted; it cannot be matched with the period.",
        ("disclosures.all", "inventory.provided", "inventory.agreed"),
        ("inventory.provided",),
        "Disclosures to third parties that nobody declared, and what the agreements say.",
    ),
)

CANNOT = (
    "This is neither a SOC 2 report nor a certificate. A SOC 2 report is an opinion of an independent "
    "certified public accountant (AICPA, AT-C sections 105 and 205); ISO/IEC 42001 certificates come "
    "from accredited bodies; conformity under the EU AI Act is declared by the provider. This folder is "
    "evidence for such work.",
    "The software is run by those who are audited. What makes the record independent of them is a checkpoint "
    "that somebody else keeps; the section on CC6.1 shows whether there is one.",
    "A verdict says what the evidence shown says of a claim, with a calibrated probability. It does not "
    "say that the evidence is true, nor that the claim is.",
    "This folder cannot show that an answer was never recorded at its source; the comparison with the "
    "source's own count, where it has one, is under PI1.1.",
    "Controls outside the audit (people, premises, networks, the agents' own platforms) are not in it.",
)
"""What the software cannot attest."""
