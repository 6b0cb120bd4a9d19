"""Where the pack's sections bear on other frameworks; every line with its source.

Told in our own words. A line says which evidence helps with a duty, not that the duty is met.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One requirement elsewhere, and what of the pack bears on it."""

    reference: str
    asks: str
    evidence: str
    sections: tuple[str, ...]


@dataclass(frozen=True)
class Framework:
    """A framework, its source, and its lines."""

    name: str
    source: str
    lines: tuple[Line, ...]


FRAMEWORKS = (
    Framework(
        "ISO/IEC 42001:2023",
        "ISO/IEC 42001:2023, Information technology: Artificial intelligence: Management system, clauses "
        "8 to 10 and Annex A",
        (
            Line(
                "9.1",
                "Monitoring, measurement, analysis",
                "Verdicts, reviews, drift over the period",
                ("PI1.3", "CC4.1"),
            ),
            Line("9.2", "Internal audit", "A sample with proofs that can be re-performed", ("PI1.5",)),
            Line(
                "10.2",
                "Nonconformity and corrective action",
                "Exceptions, and what was done about each",
                ("CC7.4",),
            ),
            Line(
                "A.6.2.4",
                "Verification and validation of the system",
                "Accuracy from reviews, with interval",
                ("PI1.3",),
            ),
            Line("A.6.2.6", "Operation and monitoring", "Nights, health, drift", ("A1.1", "CC7.2")),
            Line("A.6.2.8", "Recording of event logs", "The log of the period without a gap", ("PI1.5",)),
            Line(
                "A.7.5",
                "Provenance of data",
                "Completeness by source and day; inputs by digest",
                ("PI1.1", "PI1.2"),
            ),
            Line(
                "A.8.4",
                "Communication of incidents",
                "Not covered; exceptions are the raw material",
                ("CC7.4",),
            ),
            Line("A.10.3", "Suppliers", "The inventory of models, tools and agreements", ()),
        ),
    ),
    Framework(
        "NIST AI RMF 1.0",
        "NIST AI 100-1, Artificial Intelligence Risk Management Framework (AI RMF 1.0), January 2023, "
        "section 5",
        (
            Line(
                "GOVERN 1.5",
                "Ongoing monitoring and review are planned",
                "Schedule, and nights that ran",
                ("A1.1",),
            ),
            Line("GOVERN 1.6", "An inventory of AI systems", "The inventory", ()),
            Line(
                "MEASURE 2.3",
                "Performance is measured under conditions like deployment",
                "Verdicts and reviews",
                ("PI1.3",),
            ),
            Line(
                "MEASURE 2.4",
                "Function and behaviour are monitored in production",
                "Nightly verdicts, drift",
                ("PI1.3", "CC4.1"),
            ),
            Line(
                "MEASURE 2.7",
                "Security and resilience",
                "Signed log, text that addresses the verifier",
                ("PI1.5", "CC7.2"),
            ),
            Line(
                "MEASURE 2.8",
                "Transparency and accountability",
                "Actors of changes, runs and erasures",
                ("CC8.1",),
            ),
            Line("MEASURE 2.10", "Privacy risk", "Findings of confidential data, erasures", ("C1.1", "C1.2")),
            Line(
                "MANAGE 4.1",
                "Post-deployment monitoring, with appeal and override",
                "Escalations and reviews",
                ("PI1.4", "CC7.3"),
            ),
            Line("MANAGE 4.3", "Incidents and errors are tracked and communicated", "Exceptions", ("CC7.4",)),
        ),
    ),
    Framework(
        "EU AI Act",
        "Regulation (EU) 2024/1689, Articles 12, 19 and 26; duties for high-risk systems of Annex III "
        "apply from 2 December 2027 (Article 113 as amended in 2026; compare with the consolidated text "
        "before you rely on it)",
        (
            Line(
                "Article 12(1)",
                "High-risk systems record events automatically over their lifetime",
                "The log",
                ("PI1.5",),
            ),
            Line(
                "Article 12(2)(a)",
                "Events that show risks or substantial modification",
                "Contradicted answers, drift, changes",
                ("PI1.4", "CC4.1", "CC8.1"),
            ),
            Line(
                "Article 12(2)(b)",
                "Events that help post-market monitoring",
                "Verdicts over time",
                ("PI1.3",),
            ),
            Line(
                "Article 12(2)(c)",
                "Events for the deployer's monitoring (Article 26(5))",
                "Nights, escalations",
                ("A1.1", "CC7.3"),
            ),
            Line(
                "Article 19(1)",
                "Providers keep the logs, six months at least",
                "The log cannot lose events unseen; no retention period is enforced",
                ("PI1.5",),
            ),
            Line(
                "Article 26(5)",
                "Deployers monitor operation and inform of serious incidents",
                "Monitoring only; informing is not covered",
                ("CC7.2", "CC7.4"),
            ),
            Line(
                "Article 26(6)",
                "Deployers keep the logs under their control, six months at least",
                "As Article 19(1)",
                ("PI1.5",),
            ),
        ),
    ),
)
