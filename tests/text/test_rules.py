"""What rules say of a claim and its evidence, and where they keep silent."""

# ruff: noqa: E501 - a claim and its evidence stand in one line

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text import rules

NOISE = "The committee met in the old hall. It rained for most of the week. "


Pair = tuple[str, str]
Finding = Callable[[str, str], Pair | None]


def judged(pairs: list[Pair]) -> dict[Pair, Pair | None]:
    """Effect and words of each pair, all in one call, which costs little more than one pair's."""
    claims, evidence = (pl.Series(column, dtype=pl.String) for column in zip(*pairs, strict=True))
    found = rules.findings(claims, evidence, {"en"})
    said = {
        row: (effect, words) for row, effect, words in found.select("row", "effect", "finding").iter_rows()
    }
    return {pair: said.get(row) for row, pair in enumerate(pairs)}


def asked(parameters: dict[str, str]) -> list[Pair]:
    """Pairs that a test judges: those it was given, in either direction if it has two of a kind, in noise."""
    if "one" in parameters:
        one, other = parameters["one"], parameters["other"]
        pairs = [(one, other), (other, one)]
    elif "evidence" in parameters:
        pairs = [(parameters["claim"], parameters["evidence"])]
    else:
        return []
    surrounded = [(claim, f"{NOISE}{text} {NOISE}") for claim, text in pairs]
    return [*pairs, *surrounded, *((claim, NOISE + text) for claim, text in pairs)]


@pytest.fixture(scope="module")
def finding(request) -> Finding:
    """What rules say of a pair: the parametrised ones of this file are judged together, others by themselves."""
    own = [
        item
        for item in request.session.items
        if item.fspath == request.node.fspath and hasattr(item, "callspec")
    ]
    known = judged(sorted({pair for item in own for pair in asked(item.callspec.params)}) or [("", "")])

    def said(claim: str, evidence: str) -> Pair | None:
        pair = (claim, evidence)
        return known[pair] if pair in known else judged([pair])[pair]

    return said


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
        ("The fee is 35 euros.", "There is a $35 fee: the fee is $35 in all.", "$35|35 euros"),
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
        (
            "Items can be returned within 30 days.",
            "Items can be returned within 14 calendar days.",
            "14 calendar days|30 days",
        ),
        (
            "The room has 20 square metres.",
            "The room has 25 square metres.",
            "25 square metres|20 square metres",
        ),
        ("The flight takes 2 hours.", "The flight takes 90 minutes.", "90 minutes|2 hours"),
        ("La garantía dura 3 años.", "La garantía dura 2 años.", "2 años|3 años"),
        ("La garanzia dura 3 anni.", "La garanzia dura 2 anni.", "2 anni|3 anni"),
        ("该工厂有94个反应堆。", "该工厂有92个反应堆。", "92个反应堆|94个反应堆"),
        ("يضم المصنع ٩٤ مفاعلا.", "يضم المصنع ٩٢ مفاعلا.", "92 مفاعلا|94 مفاعلا"),
        ("Завод имеет 94 реактора.", "Завод имеет 92 реактора.", "92 реактора|94 реактора"),
    ],
)
def test_another_number_in_the_same_place_contradicts(claim, evidence, reason, finding):
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
        ("The flight takes 90 minutes.", "The flight takes one and a half hours."),
        ("The tank holds 500 litres.", "The tank holds 0.5 cubic metres."),
        ("The notice period is 14 days.", "The notice period is 14 calendar days."),
        ("The link expires after 24 hours.", "The link expires after one day."),
        ("Over 90 reactors are in use.", "92 reactors are in use."),
        ("About 2 million people live there.", "1,980,000 people live there."),
        ("It was written in the 1990s.", "It was written in 1991."),
        ("He was born in the 1800s.", "He was born in 1895."),
        ("The rate is 12.4%.", "The rate is 12·4%."),
        ("He had eighteen brothers.", "He was one of 19 children and had many brothers."),
        ("Plasma makes up most of the matter.", "Plasma makes up more than 99 percent of the matter."),
        ("It ran in the 2018–19 season.", "It ran in the 2018-2019 season."),
        ("France operates 92 reactors.", "Belgium operates 7 reactors. France operates 92 reactors."),
    ],
)
def test_the_same_value_written_otherwise_is_no_difference(claim, evidence, finding):
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
        ("Opened software can be returned within 30 days.", "Opened software cannot be returned."),
        ("A helmet is mandatory on the site.", "A helmet is optional on the site."),
        ("The office is still open to visitors.", "The office is no longer open to visitors."),
        ("If you leave, your comp time is paid out.", "If you leave, your comp time is not paid out."),
        ("There is a maximum amount of sick leave.", "There is no maximum amount of sick leave."),
        ("Le musée est ouvert le lundi.", "Le musée n'est pas ouvert le lundi."),
    ],
)
def test_a_negation_or_an_opposite_on_one_side_contradicts_both_ways(one, other, finding):
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
        ("No living thing survives without air.", "No living thing survives without clean air."),
        ("Refunds are not available.", "No refunds are available."),
        ("The bridge was opened in May.", "It did not rain. The bridge was opened in May."),
        ("The bridge was opened in May.", "The tunnel was not closed for repairs."),
        ("The fee includes breakfast.", "The fee includes breakfast and excludes lunch."),
    ],
)
def test_a_negation_elsewhere_says_nothing(claim, evidence, finding):
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
def test_what_the_verifier_cannot_read_it_leaves_unsettled(claim, evidence, finding):
    assert finding(claim, evidence) == ("insufficient", rules.UNREADABLE)
    assert not rules.findings(pl.Series([claim]), pl.Series([evidence])).height, "a reader of all languages"


def test_a_claim_that_stands_word_for_word_needs_no_reading(finding):
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
    alone = rules.findings(claims[:1], passages[:1], {"en"})
    others = rules.findings(claims[:0:-1], passages[:0:-1], {"en"})
    others = others.with_columns(row=(pl.lit(len(rows) - 1) - pl.col("row")).cast(pl.UInt32))
    assert together.equals(pl.concat([alone, others]).sort("row"))


def test_the_sentence_that_decides_is_where_it_says():
    passage = NOISE + "The warranty does not cover water. " + NOISE
    found = rules.findings(pl.Series(["The warranty covers water."]), pl.Series([passage])).row(0, named=True)
    assert passage[found["start"] : found["end"]] == found["sentence"] == "The warranty does not cover water."


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("The Team plan costs 99 euros.", "Plan: Basic, price: 9 euros. Plan: Team, price: 29 euros. Plan: Firm, price: 99 euros."),
        ("The Basic plan has 10 seats.", "Plan: Basic, price: 9 euros, seats: 3. Plan: Team, price: 29 euros, seats: 10."),
        ("Clinic Nord closes at 20.", "Clinic Nord opens at 8 and closes at 16. Clinic Sued opens at 10 and closes at 20."),
        ("Orders from Peru can be returned within 30 days.", "Orders from Peru may be returned within 20 days. Orders from Spain may be returned within 30 days."),
        ("Revenue in 2022 was $5 million.", "Year: 2021; Revenue: $5 million\nYear: 2022; Revenue: $7 million"),
        ("The model X200 weighs 4 kg.", "The model X100 weighs 4 kg. The model X200 weighs 6 kg."),
    ],
)  # fmt: skip
def test_a_value_of_another_record_contradicts(claim, evidence, finding):
    found = finding(claim, evidence)
    assert found is not None
    assert found[0] == "contradicted"
    assert "for something else" in found[1]


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("The Team plan costs 29 euros.", "Plan: Basic, price: 9 euros. Plan: Team, price: 29 euros. Plan: Firm, price: 99 euros."),
        ("Clinic Sued closes at 20.", "Clinic Nord opens at 8 and closes at 16. Clinic Sued opens at 10 and closes at 20."),
        ("In 2020 it sold 7 units.", "In 2019 it sold 5 units, in 2020 7 units."),
        ("Nord has 5 beds and Sued has 7 beds.", "Clinic Nord has 5 beds. Clinic Sued has 7 beds."),
    ],
)  # fmt: skip
def test_the_value_of_the_claims_own_record_is_left_to_the_network(claim, evidence, finding):
    assert finding(claim, evidence) is None


def test_a_clause_speaks_against_nothing_that_another_sentence_says_whole(finding):
    evidence = (
        "We delete the content of your account from our servers 30 days after cancellation, and from backups "
        "within 60 days. If you delete your account, we delete the content within 60 days."
    )
    assert finding("If you delete your account, we delete the content within 60 days.", evidence) is None


def test_a_claim_that_fits_two_records_with_different_values_is_not_settled(finding):
    evidence = (
        "Orders from Peru may be returned within 20 days. Orders from Spain may be returned within 30 days."
    )
    found = finding("You can return orders within 30 days.", evidence)
    assert found == (
        "insufficient",
        "evidence gives 20 days in one case and 30 days in another, the claim names neither",
    )


@pytest.mark.parametrize(
    ("claim", "evidence", "condition"),
    [
        ("Members travel free of charge.", "Members under 12 travel free of charge.", "under 12"),
        ("Entry is free.", "Entry is free for children under 12 years.", "under 12 years"),
        ("The clinic is open on Sundays.", "The clinic is open on Sundays in July and August only.", "on Sundays in July and August only"),
        ("The drug is safe in pregnancy.", "The drug is safe in pregnancy only after the twelfth week.", "only after the twelfth week"),
        ("Deposits are refunded.", "Deposits are refunded unless the room is damaged.", "unless the room is damaged"),
        ("Pets are welcome.", "Pets are welcome except in the dining room.", "except in the dining room"),
        ("You get a discount.", "You get a discount if you pay by card.", "if you pay by card"),
        ("You may work from home.", "You may work from home with the approval of your manager.", "with the approval of your manager"),
        ("Visitors may park in the yard.", "Visitors may park in the yard after 6 pm.", "after 6 pm"),
        ("Interest is waived.", "Interest is waived during the first year.", "during the first year"),
        ("Employees get extra leave.", "Employees with more than five years of service get extra leave.", "more than five years"),
    ],
)  # fmt: skip
def test_a_condition_that_the_claim_leaves_out_is_named(claim, evidence, condition, finding):
    assert finding(claim, evidence) == ("insufficient", f"the evidence limits this: “{condition}”")
    assert finding(claim, NOISE + evidence) is not None


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("Members under 12 travel free.", "Members under 12 travel free of charge."),
        ("You get a discount if you pay by card.", "You get a discount if you pay by card."),
        ("Entry is free.", "Entry is free. Rooms are free for children under 12."),
        ("You can cancel at any time.", "You can cancel at any time, and if you want you can rejoin later."),
        ("The store accepts cash.", "The store accepts cash, but if you prefer you may pay by card."),
    ],
)
def test_a_condition_that_the_claim_has_or_that_limits_something_else_is_none(claim, evidence, finding):
    assert finding(claim, evidence) is None


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("The vaccine causes harm.", "The article asks whether the vaccine causes harm."),
        ("Paris is in Texas.", "According to a rumour, Paris is in Texas."),
        ("The minister took bribes.", "The minister denied that he took bribes."),
        ("The plant will close.", "The company allegedly said the plant will close."),
        ("Lisbon is the capital of Portugal.", "We had a lovely week in Lisbon last spring."),
        ("Volvo is based in Malmo.", "I bought a Volvo in Malmo."),
    ],
)
def test_a_mention_is_no_fact(claim, evidence, finding):
    found = finding(claim, evidence)
    assert found is not None
    assert found[0] == "insufficient"


def test_a_supposed_negation_is_a_condition_and_no_contradiction(finding):
    found = finding("The warranty covers water.", "If the warranty does not cover water, ask the maker.")
    assert found is not None
    assert found[0] == "insufficient"


def test_a_negation_before_another_condition_contradicts(finding):
    evidence = "Retrieving content from a backup isn’t possible, so if you change your mind, tell us at once."
    found = finding("Retrieving content from a backup is possible.", evidence)
    assert found == ("contradicted", "only the evidence negates “possible”")


def test_a_page_that_says_we_somewhere_is_no_personal_story(finding):
    page = (
        "We use pronouns. "
        + "There are no articles here. " * 20
        + "In RussianNouns stand so: Nouns are gendered."
    )
    assert finding("Nouns are gendered in Russian.", page) is None


def test_a_fact_beside_a_mention_stays_one(finding):
    assert finding("The plant closed.", "Reporters asked whether the plant closed. The plant closed.") is None


def test_the_money_of_a_list_is_that_of_all_its_numbers(finding):
    rooms = "The rooms cost 60, 75 and 95 euros."
    for claim, effect in (
        ("No room costs more than 90 euros.", "contradicted"),
        ("The cheapest room costs 60 euros.", "supported"),
        ("All rooms cost less than 100 euros.", "supported"),
    ):
        assert finding(claim, rooms) == (
            effect,
            "the evidence lists 60, 75, 95" + (", of which the claim is not true" * (effect != "supported")),
        )


LISTED = "Three pupils scored 81%, 84% and 88.5% in the spring exam."


@pytest.mark.parametrize(
    ("claim", "effect"),
    [
        ("All three pupils scored between 80% and 90% in the spring exam.", "supported"),
        ("All pupils scored between 82% and 90% in the spring exam.", "contradicted"),
        ("No pupil scored below 80% in the spring exam.", "supported"),
        ("No pupil scored above 85% in the spring exam.", "contradicted"),
        ("Every pupil scored at least 80% in the exam.", "supported"),
        ("At least one pupil scored more than 90% in the spring exam.", "contradicted"),
        ("At least one pupil scored more than 85% in the spring exam.", "supported"),
        ("The best pupil scored 88.5% in the spring exam.", "supported"),
        ("The weakest pupil scored 84% in the spring exam.", "contradicted"),
    ],
)
def test_claims_over_listed_numbers_are_worked_out(claim, effect, finding):
    found = finding(claim, LISTED)
    assert found is not None
    assert found[0] == effect
    assert found[1].startswith("the evidence lists 81%, 84%, 88.5%")


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("The highest score is 300.", "The highest score is 300, for which 12 strikes in a row are needed."),
        ("It appeared between 2004 and 2010.", "It appeared between 2004 and 2010."),
        ("No teacher scored below 80%.", LISTED),
    ],
)
def test_numbers_that_are_no_list_of_the_claims_things_are_left_alone(claim, evidence, finding):
    assert finding(claim, evidence) is None
