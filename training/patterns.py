"""Pairs from patterns, where natural labelled text is scarce: records, conditions, listed numbers, mentions.

Belongs here: small grammars of rules, tables and price lists as companies write them. Does not belong here:
pairs from natural sentences (`both_sides.py`, `augment.py`). Patterns are few, so their share of a training
stays small.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import polars as pl

from training import perturb
from training.augment import SCHEMA, Row

Maker = Callable[[random.Random], list[Row]]

_NAMES = {
    "plan": [
        "Basic",
        "Team",
        "Pro",
        "Starter",
        "Business",
        "Enterprise",
        "Free",
        "Plus",
        "Premium",
        "Family",
        "Solo",
    ],
    "branch": [
        "Northgate",
        "Riverside",
        "Old Town",
        "Harbour",
        "Central",
        "Airport",
        "West End",
        "Hillside",
        "Castle",
    ],
    "model": [
        "A100",
        "B200",
        "X1",
        "T-500",
        "Nova",
        "Orion",
        "Delta 3",
        "Falcon",
        "Mini",
        "Max",
        "K7",
        "S-90",
    ],
    "region": [
        "Europe",
        "Asia",
        "Canada",
        "Brazil",
        "Germany",
        "Japan",
        "France",
        "Kenya",
        "Norway",
        "Chile",
        "Spain",
    ],
    "year": [str(year) for year in range(2008, 2026)],
    "department": [
        "Sales",
        "Legal",
        "Finance",
        "Support",
        "Marketing",
        "Research",
        "Logistics",
        "Purchasing",
        "Design",
    ],
    "person": [
        "Anna Berg",
        "Luis Ortega",
        "Mei Chen",
        "Tom Hale",
        "Priya Nair",
        "Omar Said",
        "Eva Novak",
        "Jack Stone",
    ],
    "drug": ["Velarin", "Morbidex", "Calsitol", "Pentoran", "Xelonib", "Tramizole", "Oxivent", "Duralast"],
}
# subject pattern, then attributes: key, sentence tail, values
_ATTRIBUTES: dict[str, list[tuple[str, str, str]]] = {
    "plan": [
        ("price", "costs {} euros a month", "9 12 19 29 39 49 79 99 149"),
        ("seats", "has {} seats", "1 3 5 10 20 25 50 100 250"),
        ("storage", "includes {} GB of storage", "5 10 20 50 100 200 500"),
        ("projects", "allows {} projects", "2 4 6 8 15 30 60"),
    ],
    "branch": [
        ("opens", "opens at {}", "6 7 8 9 10 11"),
        ("closes", "closes at {}", "15 16 17 18 19 20 21 22"),
        ("staff", "employs {} people", "4 7 12 18 23 31 46"),
        ("parking", "has {} parking spaces", "10 15 20 24 40 60 80"),
    ],
    "model": [
        ("weight", "weighs {} kg", "1.2 1.5 2.1 3.4 4.8 6 7.5"),
        ("battery", "runs for {} hours on battery", "4 6 8 10 12 18 24"),
        ("warranty", "has a warranty of {} years", "1 2 3 4 5 7 10"),
        ("price", "costs ${}", "199 249 349 499 799 999 1,299"),
    ],
    "region": [
        ("returns", "accepts returns within {} days", "7 10 14 20 28 30 45 60 90"),
        ("delivery", "has a delivery time of {} days", "1 2 3 4 5 6 8 12"),
        ("tax", "has a tax rate of {}%", "5 7 10 16 19 20 21 25"),
        ("offices", "has {} offices", "1 2 3 4 6 9 11"),
    ],
    "year": [
        ("revenue", "saw revenue of ${} million", "1.2 2.4 3.8 5 7.5 11 18 26"),
        ("employees", "ended with {} employees", "40 55 80 120 210 340 500"),
        ("complaints", "saw {} complaints", "12 17 25 31 48 63 90"),
    ],
    "department": [
        ("head count", "has {} employees", "3 5 8 14 22 37 51"),
        ("budget", "has a budget of {} million euros", "0.5 1.1 2 3.6 4.2 8"),
        ("floor", "is on floor {}", "1 2 3 4 5 6 7"),
    ],
    "person": [
        ("age", "is {} years old", "24 29 33 38 41 47 52 60"),
        ("extension", "has extension {}", "4711 4720 3305 2218 1190 6042"),
        ("room", "sits in room {}", "101 114 207 233 310 328 415"),
    ],
    "drug": [
        ("dose", "is taken at {} mg a day", "5 10 20 25 40 50 80 100"),
        ("trial", "was tried on {} patients", "48 120 212 340 505 860"),
        ("half-life", "has a half-life of {} hours", "2 4 6 9 12 18 36"),
    ],
}
_SUBJECT = {
    "plan": "The {} plan",
    "branch": "The {} branch",
    "model": "The {}",
    "region": "{}",
    "year": "The year {}",
    "department": "The {} department",
    "person": "{}",
    "drug": "{}",
}


def records(rng: random.Random) -> list[Row]:
    """A value of its own record, and the value of the record beside it."""
    kind = rng.choice(list(_NAMES))
    names = rng.sample(_NAMES[kind], rng.randint(2, 5))
    attributes = rng.sample(_ATTRIBUTES[kind], rng.randint(2, len(_ATTRIBUTES[kind])))
    drawn = {key: rng.sample(values.split(), len(names)) for key, _, values in attributes}
    evidence = _written(rng, kind, names, attributes, drawn)
    key, tail, _ = rng.choice(attributes)
    at, other = rng.sample(range(len(names)), 2)
    subject = _SUBJECT[kind].format(names[at])
    right, wrong = (f"{subject} {tail.format(drawn[key][i])}." for i in (at, other))
    if rng.random() < 0.3:
        right, wrong = (f"The {key} of {names[at]} is {drawn[key][i]}." for i in (at, other))
    return [
        ("pattern", right, evidence, "supported", "records"),
        ("pattern", wrong, evidence, "contradicted", "records"),
    ]


def _written(
    rng: random.Random,
    kind: str,
    names: list[str],
    attributes: list[tuple[str, str, str]],
    drawn: dict[str, list[str]],
) -> str:
    """The records as prose, as `key: value` lists or as rows under a header."""
    style = rng.randrange(4)
    if style == 0:
        tails = [[tail.format(drawn[key][i]) for key, tail, _ in attributes] for i in range(len(names))]
        told = [
            f"{_SUBJECT[kind].format(name)} {', '.join(t[:-1])} and {t[-1]}."
            for name, t in zip(names, tails, strict=True)
        ]
        return " ".join(told)
    if style == 1:
        mark = rng.choice((", ", "; "))
        rows = [
            mark.join(
                [f"{kind.capitalize()}: {name}", *(f"{key}: {drawn[key][i]}" for key, _, _ in attributes)]
            )
            for i, name in enumerate(names)
        ]
        return ". ".join(rows) + "."
    if style == 2:
        head = " | ".join([kind, *(key for key, _, _ in attributes)])
        rows = [
            " | ".join([name, *(drawn[key][i] for key, _, _ in attributes)]) for i, name in enumerate(names)
        ]
        return "\n".join([head, *rows])
    told = [
        f"{_SUBJECT[kind].format(name)} {tail.format(drawn[key][i])}."
        for key, tail, _ in attributes
        for i, name in enumerate(names)
    ]
    return " ".join(told)


_THINGS = [
    ("Entry", "is free"),
    ("Parking", "is free of charge"),
    ("Shipping", "is free"),
    ("Breakfast", "is included"),
    ("The ticket", "can be refunded"),
    ("The order", "can be cancelled"),
    ("Overtime", "is paid"),
    ("Remote work", "is allowed"),
    ("The deposit", "is returned"),
    ("Travel costs", "are reimbursed"),
    ("Alcohol", "is reimbursed"),
    ("Personal devices", "are permitted"),
    ("The discount", "applies"),
    ("Support by phone", "is available"),
    ("The medicine", "may be taken"),
    ("Visitors", "are admitted"),
    ("Pets", "are welcome"),
    ("The warranty", "covers repairs"),
    ("The report", "may be shared"),
    ("Data", "is kept for ten years"),
    ("Invoices", "are paid"),
    ("A visa", "is required"),
    ("The exam", "can be repeated"),
    ("The fee", "is waived"),
    ("Leave", "is granted"),
    ("The library", "is open on Sundays"),
]
_CONDITIONS = [
    "for children under 12",
    "for members",
    "for students with a valid card",
    "on orders over 50 euros",
    "on orders above $100",
    "if it is booked by phone",
    "if the manager agrees in writing",
    "unless the contract says otherwise",
    "on weekdays",
    "during the first 30 days",
    "with a doctor's note",
    "after six months of service",
    "up to 500 euros",
    "when customers are present",
    "except in July",
    "only in the summer months",
    "for stays of at least three nights",
    "until 31 March",
    "with a purchase order number",
    "for residents of the city",
    "provided that the seal is unbroken",
    "once the account is verified",
    "in the Premium plan",
]


def conditions(rng: random.Random) -> list[Row]:
    """What holds under a condition, told with it, without it and with another."""
    thing, does = rng.choice(_THINGS)
    first, second = rng.sample(_CONDITIONS, 2)
    evidence = f"{thing} {does} {first}."
    if rng.random() < 0.5:
        other, did = rng.choice(_THINGS)
        extra = f"{other} {did} {second}." if other != thing else "Please ask at the desk."
        evidence = " ".join(rng.sample([evidence, extra], 2))
    front = f"{first[0].upper()}{first[1:]}, {thing[0].lower()}{thing[1:]} {does}."
    return [
        ("pattern", rng.choice((f"{thing} {does} {first}.", front)), evidence, "supported", "conditions"),
        rng.choice(
            (
                ("pattern", f"{thing} {does}.", evidence, "not_supported", "conditions"),
                ("pattern", f"{thing} {does} {second}.", evidence, "not_supported", "conditions"),
                (
                    "pattern",
                    f"{thing} always {does}.".replace("always is", "is always"),
                    evidence,
                    "not_supported",
                    "conditions",
                ),
            )
        ),
    ]


_MEASURED = [
    ("pupils", "scored", "%", "in the spring exam", (50, 99)),
    ("patients", "waited", " minutes", "before treatment", (4, 90)),
    ("teams", "closed", " tickets", "last week", (5, 80)),
    ("shops", "sold", " units", "in May", (20, 400)),
    ("samples", "weighed", " grams", "after drying", (10, 90)),
    ("runners", "needed", " minutes", "for the course", (31, 75)),
    ("sites", "recorded", " mm of rain", "on Monday", (2, 60)),
]


def lists(rng: random.Random) -> list[Row]:
    """Statements on least, most, all and none of listed numbers."""
    who, did, unit, when, (low, high) = rng.choice(_MEASURED)
    count = rng.randint(3, 5)
    values = rng.sample(range(low, high), count)
    word = perturb.SMALL[count]
    listed = ", ".join(f"{value}{unit}" for value in values[:-1])
    evidence = f"{word.capitalize()} {who} {did} {listed} and {values[-1]}{unit} {when}."
    least, most = min(values), max(values)
    middle = (least + most) // 2
    one_of = who[:-1]
    below, above = least - rng.randint(1, 4), most + rng.randint(1, 4)
    right = rng.choice(
        (
            f"All {word} {who} {did} between {below}{unit} and {above}{unit} {when}.",
            f"No {one_of} {did} less than {below}{unit} {when}.",
            f"No {one_of} {did} more than {above}{unit} {when}.",
            f"At least one {one_of} {did} more than {middle}{unit} {when}.",
            f"The highest value was {most}{unit}.",
            f"The lowest value was {least}{unit}.",
        )
    )
    wrong = rng.choice(
        (
            f"All {word} {who} {did} more than {middle}{unit} {when}.",
            f"No {one_of} {did} less than {middle}{unit} {when}.",
            f"At least one {one_of} {did} more than {above}{unit} {when}.",
            f"The highest value was {least}{unit}.",
            f"The lowest value was {most}{unit}.",
        )
    )
    return [
        ("pattern", right, evidence, "supported", "lists"),
        ("pattern", wrong, evidence, "contradicted", "lists"),
    ]


_AMOUNTS = [
    ("Sales in 2025 came to {}.", "$"),
    ("The grant is worth {} euros.", ""),
    ("The site had {} visitors in June.", ""),
    ("The fund holds {}.", "€"),
    ("About {} people live in the district.", ""),
    ("The company spent {} on research.", "$"),
    ("The plant makes {} parts a year.", ""),
]


def quantities(rng: random.Random) -> list[Row]:
    """One number in two ways of writing, and another number."""
    pattern, sign = rng.choice(_AMOUNTS)
    scale, word, letter = rng.choice(
        ((1_000, "thousand", "k"), (1_000_000, "million", "m"), (10**9, "billion", "bn"))
    )
    tenths = rng.randint(11, 99)
    changed = tenths + rng.choice((-10, -1, 1, 2, 10, 30))

    def written(value: int) -> list[str]:
        digits = f"{value / 10:g}"
        return [f"{sign}{value * scale // 10:,}", f"{sign}{digits} {word}", f"{sign}{digits}{letter}"]

    one, two = rng.sample(range(3), 2)
    evidence = pattern.format(written(tenths)[one])
    return [
        ("pattern", pattern.format(written(tenths)[two]), evidence, "supported", "quantities"),
        ("pattern", pattern.format(written(changed)[two]), evidence, "contradicted", "quantities"),
    ]


_ANECDOTES = (
    "We had a lovely week in {} last spring.",
    "I once met somebody who talked about {} all evening.",
    "The train to {} was late again, and nobody told us why.",
    "My cousin sent a postcard about {} and {}.",
    "He asked whether {} had anything to do with {}.",
    "There is a rumour about {} and {}, but nobody has confirmed it.",
    "The meeting on {} and {} was moved to Thursday.",
    "She bought a book on {} in a shop near {}.",
)


def mentions(claims: list[str], rng: random.Random) -> list[Row]:
    """A claim over a text that only names what the claim speaks of."""
    claim = rng.choice(claims)
    named = [*perturb.names(claim), *re.findall(r"^[A-Z][a-z]+(?: [A-Z][a-z]+)*", claim)]
    if not named:
        return []
    rng.shuffle(named)
    text = rng.choice(_ANECDOTES).format(named[0], named[-1])
    return [("pattern", claim, text, "insufficient", "mentions")]


_NATURAL = re.compile(r"([^:;]{2,40}): ([^;]{1,40})(?:;|$)")


def cells(rows: list[str], dataset: str, rng: random.Random) -> list[Row]:
    """A cell of a natural table under its row's first cell, and the cell of another row."""
    parsed = [_NATURAL.findall(row) for row in rows]
    wide = [cells for cells in parsed if len(cells) >= 2]
    if len(wide) < 2:
        return []
    first, second = rng.sample(wide, 2)
    column = rng.randrange(1, min(len(first), len(second)))
    (_, entity), (key, value), (_, other) = first[0], first[column], second[column]
    if (
        value.strip() == other.strip()
        or entity.strip() == second[0][1].strip()
        or first[column][0] != second[column][0]
    ):
        return []
    form = rng.choice(("The {k} of {e} is {v}.", "{e} has {v} as {k}.", "For {e}, the {k} was {v}."))
    evidence = " ".join(row.strip().rstrip(".") + "." for row in rows)
    return [
        (dataset, form.format(k=key.strip().lower(), e=entity.strip(), v=v.strip()), evidence, label, "cells")
        for v, label in ((value, "supported"), (other, "contradicted"))
    ]


MAKERS: dict[str, Maker] = {
    "records": records,
    "conditions": conditions,
    "lists": lists,
    "quantities": quantities,
}


def make(shares: dict[str, int], claims: list[str], tables: list[list[str]], *, seed: int) -> pl.DataFrame:
    """Pairs (`augment.SCHEMA`): of each kind about as many as `shares` says.

    Args:
        shares: pairs of `records`, `conditions`, `lists`, `quantities`, `mentions`, `cells`.
        claims: natural claims for `mentions`.
        tables: natural tables as lists of rows `column: value; column: value`, for `cells`.
        seed: the same seed and input give the same rows.
    """
    rng = random.Random(seed)  # noqa: S311 - a reproducible draw, not a secret
    made: list[Row] = []
    for kind, maker in MAKERS.items():
        for _ in range(shares.get(kind, 0) // 2):
            made += maker(rng)
    for _ in range(shares.get("mentions", 0) if claims else 0):
        made += mentions(claims, rng)
    for _ in range(shares.get("cells", 0) // 2 if tables else 0):
        made += cells(rng.choice(tables), "tables", rng)
    return pl.DataFrame(made, schema=SCHEMA, orient="row").unique(maintain_order=True)
