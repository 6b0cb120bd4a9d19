"""What rules say of a claim and its evidence, and where they keep silent."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text import rules

NOISE = "The committee met in the old hall. It rained for most of the week. "


def finding(claim: str, evidence: str) -> tuple[str, str] | None:
    found = rules.findings(pl.Series([claim]), pl.Series([evidence]), {"en"})
    return found.select("effect", "finding").row(0) if found.height else None


@pytest.mark.parametrize(
    ("claim", "evidence", "reason"),
    [
        ("France operates 94 reactors.", "France operates 92 reactors today.", "92 reactors|94 reactors"),
        (
            "Sales in 2025 came to $1.3 million.",
            "Sales in 2025 came to $1,200,000.",
            "$1,200,000|$1.3 million",
        ),
        ("The road is 5 miles long.", "The road is 5 km long.", "5 km|5 miles"),
        ("The ticket costs $5.", "The ticket costs €5.", "€5|$5"),
        ("The bridge opened in 1997.", "The bridge opened in 1998.", "1998|1997"),
        ("The payment run is every Tuesday.", "The payment run is every Thursday.", "Thursday|Tuesday"),
        ("The bridge opened in March.", "The bridge opened in April.", "April|March"),
        (
            "Das Werk in Harwick hat 94 Reaktoren.",
            "Das Werk in Harwick hat 92 Reaktoren.",
            "92 Reaktoren|94 Reaktoren",
        ),
        (
            "L'usine de Harwick compte 94 réacteurs.",
            "L'usine de Harwick compte 92 réacteurs.",
            "92 réacteurs|94 réacteurs",
        ),
        ("La garantía dura 3 años.", "La garantía dura 2 años.", "2 años|3 años"),
        ("La garanzia dura 3 anni.", "La garanzia dura 2 anni.", "2 anni|3 anni"),
        ("该工厂有94个反应堆。", "该工厂有92个反应堆。", "92个反应堆|94个反应堆"),
        ("يضم المصنع ٩٤ مفاعلا.", "يضم المصنع ٩٢ مفاعلا.", "92 مفاعلا|94 مفاعلا"),
        ("Завод имеет 94 реактора.", "Завод имеет 92 реактора.", "92 реактора|94 реактора"),
    ],
)
def test_another_number_in_the_same_place_contradicts(claim, evidence, reason):
    given, claimed = reason.split("|")
    assert finding(claim, evidence) == ("contradicted", f"evidence says {given}, the claim says {claimed}")
    assert finding(claim, NOISE + evidence + " " + NOISE) is not None


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("Sales came to $1.2 million.", "Sales came to $1,200,000."),
        ("The grant is worth 2,000,000,000 euros.", "The grant is worth 2 billion euros."),
        ("The site had 3.5k visitors in June.", "The site had 3,500 visitors in June."),
        ("The price is 1410 euros.", "The price is 1.410,00 euros."),
        ("About 11% of users left.", "10-12% of users left."),
        ("The link expires after 24 hours.", "The link expires after one day."),
        ("All three pupils scored between 80% and 90%.", "Three pupils scored 81%, 84% and 88.5%."),
        ("Values were between 10 and 50.", "Values were 10, 20, 30, 40, 50."),
        ("Over 90 reactors are in use.", "92 reactors are in use."),
        ("About 2 million people live there.", "1,980,000 people live there."),
        ("It was written in the 1990s.", "It was written in 1991."),
        ("It ran in the 2018–19 season.", "It ran in the 2018-2019 season."),
        ("France operates 92 reactors.", "Belgium operates 7 reactors. France operates 92 reactors."),
    ],
)
def test_the_same_value_written_otherwise_is_no_difference(claim, evidence):
    assert finding(claim, evidence) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The warranty covers damage by water.", "The warranty does not cover damage by water."),
        ("The free plan includes phone support.", "The free plan does not include phone support."),
        ("Refunds are available for gift cards.", "Refunds are not available for gift cards."),
        ("Opened software can be returned.", "Opened software cannot be returned."),
        (
            "VPN access from personal devices is permitted.",
            "VPN access from personal devices is not permitted.",
        ),
        ("VPN access from personal devices is permitted.", "VPN access from personal devices is prohibited."),
        ("Smoking is allowed on the terrace.", "Smoking is forbidden on the terrace."),
        ("The fee includes breakfast.", "The fee excludes breakfast."),
        ("A helmet is mandatory on the site.", "A helmet is optional on the site."),
        ("The office is still open to visitors.", "The office is no longer open to visitors."),
    ],
)
def test_a_negation_or_an_opposite_on_one_side_contradicts_both_ways(one, other):
    for claim, evidence in ((one, other), (other, one)):
        for text in (evidence, NOISE + evidence + " " + NOISE):
            found = finding(claim, text)
            assert found is not None, (claim, text)
            assert found[0] == "contradicted"


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("The warranty covers water.", "The warranty covers water but does not cover fire."),
        ("Smoking is prohibited here.", "Smoking is not permitted here."),
        ("The warranty covers water.", "The warranty not only covers water but also fire."),
        ("The warranty covers water.", "If the warranty does not cover water, ask the maker."),
        ("No living thing survives without air.", "No living thing survives without clean air."),
        ("Refunds are not available.", "No refunds are available."),
        ("The bridge was opened in May.", "It did not rain. The bridge was opened in May."),
        ("The bridge was opened in May.", "The tunnel was not closed for repairs."),
        ("The fee includes breakfast.", "The fee includes breakfast and excludes lunch."),
    ],
)
def test_a_negation_elsewhere_says_nothing(claim, evidence):
    assert finding(claim, evidence) is None


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("Elektroautos laden kostenlos.", "Elektroautos laden an unseren Säulen für 0,29 Euro je kWh."),
        (
            "La caution est rendue à la fin du séjour.",
            "Le dépôt est rendu au client avec les clés de la chambre.",
        ),
        ("保修涵盖水损坏。", "保修期为两年，由制造商提供。"),
        ("Гарантия покрывает воду.", "Гарантия действует два года."),
        (
            "The warranty covers water.",
            "Die Garantie gilt für Schäden durch Wasser und ist zwei Jahre gültig.",
        ),
    ],
)
def test_what_the_verifier_cannot_read_it_leaves_unsettled(claim, evidence):
    assert finding(claim, evidence) == ("insufficient", rules.UNREADABLE)
    assert not rules.findings(pl.Series([claim]), pl.Series([evidence])).height, "a reader of all languages"


def test_a_claim_that_stands_word_for_word_needs_no_reading():
    evidence = "Das Werk in Harwick hat 92 Reaktoren und wurde 1998 eröffnet."
    assert finding("Das Werk in Harwick hat 92 Reaktoren.", evidence) is None


@pytest.mark.parametrize(
    "text", ["A man is in the art museum.", "Every man sang or danced.", "Tom, come here."]
)
def test_words_that_another_language_has_too_do_not_make_it(text):
    assert not rules.is_foreign(text, {"en"})


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.text(max_size=60), st.text(max_size=120)), min_size=1, max_size=4))
def test_a_pair_is_judged_the_same_in_any_company(rows):
    claims, passages = (pl.Series([row[i] for row in rows], dtype=pl.String) for i in (0, 1))
    together = rules.findings(claims, passages, {"en"})
    alone = [rules.findings(claims[i : i + 1], passages[i : i + 1], {"en"}) for i in range(len(rows))]
    apart = pl.concat(one.with_columns(row=pl.lit(i, pl.UInt32)) for i, one in enumerate(alone))
    assert together.equals(apart.sort("row"))


def test_the_sentence_that_decides_is_where_it_says():
    passage = NOISE + "The warranty does not cover water. " + NOISE
    found = rules.findings(pl.Series(["The warranty covers water."]), pl.Series([passage])).row(0, named=True)
    assert passage[found["start"] : found["end"]] == found["sentence"] == "The warranty does not cover water."
