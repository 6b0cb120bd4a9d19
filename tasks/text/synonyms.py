"""A claim's words as its evidence has them, where both mean the same: "called off" for "cancelled".

Belongs here: words and phrases that stand for each other in nearly every sentence, form by form. Does not
belong here: words that are about the same thing (a network's task), or quantities (`forms.py`).
"""

from __future__ import annotations

import polars as pl

from tasks.text import words

_SAME = """
buy, buys, bought, buying = purchase, purchases, purchased, purchasing
begin, begins, began, begun, beginning = start, starts, started, started, starting
assist, assists, assisted, assisting = help, helps, helped, helping
show, shows, showed, shown, showing = demonstrate, demonstrates, demonstrated, demonstrated, demonstrating
allow, allows, allowed, allowing = permit, permits, permitted, permitting
choose, chooses, chose, chosen, choosing = select, selects, selected, selected, selecting
build, builds, built, building = construct, constructs, constructed, constructing
repair, repairs, repaired, repairing = fix, fixes, fixed, fixing
happen, happens, happened = occur, occurs, occurred = take place, takes place, took place
hire, hires, hired, hiring = recruit, recruits, recruited, recruiting
set up, sets up, set up, setting up = establish, establishes, established, establishing
cancel, cancels, cancelled, cancelling = call off, calls off, called off, calling off
reject, rejects, rejected, rejecting = turn down, turns down, turned down, turning down
postpone, postpones, postponed = put off, puts off, put off
conduct, conducts, conducted, conducting = carry out, carries out, carried out, carrying out
resign, resigns, resigned, resigning = step down, steps down, stepped down, stepping down
return, returns, returned, returning = come back, comes back, came back, coming back
make, makes, made, making = produce, produces, produced, producing
live, lives, lived, living = reside, resides, resided, residing
die, dies, died = pass away, passes away, passed away
end, ends, ended, ending = finish, finishes, finished, finishing
founded = established
located = situated
forbidden = prohibited = banned
mandatory = compulsory = obligatory
must = has to = have to = is required to = are required to
demolish, demolishes, demolished, demolishing = tear down, tears down, torn down, tearing down
dismiss, dismisses, dismissed, dismissing = throw out, throws out, threw out, throwing out
discover, discovers, discovered, discovering = find out, finds out, found out, finding out
extinguish, extinguishes, extinguished, extinguishing = put out, puts out, put out, putting out
abolish, abolishes, abolished, abolishing = do away with, does away with, did away with, doing away with
close, closes, closed, closing = shut, shuts, shut, shutting
car, cars = automobile, automobiles
film, films = movie, movies
doctor, doctors = physician, physicians
colleague, colleagues = co-worker, co-workers = teammate, teammates
firm, firms = company, companies
child, children = kid, kids
employees = staff
holiday, holidays = vacation, vacations
lawyer, lawyers = attorney, attorneys
free of charge = at no cost = at no extra cost = at no charge = for free = without charge
weekdays = workdays = working days = business days
yearly = every year = annually = each year
monthly = every month = each month
daily = every day = each day
weekly = every week = each week
large = big
quick = fast
nearly = almost
mainly = mostly = chiefly = primarily
before = prior to
at least = a minimum of = no less than
at most = a maximum of = no more than = up to
about = approximately = roughly
"""
MOST = 4
"""Words of one claim that are written otherwise."""
_MARK = "\x01"


def _slots() -> pl.DataFrame:
    """`form`, `slot`: forms of one slot stand for each other."""
    rows = []
    for at, line in enumerate(_SAME.strip().splitlines()):
        for member in line.split(" = "):
            rows += [(form, f"{at}.{place}") for place, form in enumerate(member.split(", "))]
    return pl.DataFrame(rows, schema=["form", "slot"], orient="row").unique(maintain_order=True)


_FORMS = _slots()
_ANY = r"\b(?:" + "|".join(sorted(_FORMS["form"].unique(), key=lambda form: (-len(form), form))) + r")\b"


def aligned(claims: pl.Series, passages: pl.Series) -> pl.Series:
    """The claims, with words that the passage lacks written as a synonym that it has; others stay."""
    asked = words.matches(claims, _ANY).rename({"shown": "old"}).unique(maintain_order=True)
    if not asked.height:
        return claims
    rows = asked["row"].unique()
    wanted = pl.int_range(len(claims), dtype=pl.UInt32, eager=True).is_in(rows.implode())
    given = words.matches(passages.to_frame("text").select(pl.when(wanted).then("text"))["text"], _ANY)
    given = given.rename({"shown": "new"}).unique(maintain_order=True)
    changes = (
        asked.join(given.rename({"new": "old"}), on=["row", "old"], how="anti", maintain_order="left")
        .join(_FORMS.rename({"form": "old"}), on="old", maintain_order="left")
        .join(_FORMS.rename({"form": "new"}), on="slot", maintain_order="left")
        .join(given, on=["row", "new"], how="semi", maintain_order="left")
        .unique(["row", "old"], keep="first", maintain_order=True)
        .with_columns(turn=pl.int_range(pl.len()).over("row"))
    )
    marked = claims.str.replace_all(r"([\p{L}\p{N}'’-]+)", f"{_MARK}$1{_MARK}")
    for turn in sorted(set(changes["turn"].to_list()))[:MOST]:
        now = changes.filter(pl.col("turn") == turn).select("row", _marked("old"), _marked("new"))
        replaced = pl.col("claim").str.split(pl.col("old")).list.join(pl.col("new"))
        marked = (
            marked.to_frame("claim")
            .with_row_index("row")
            .join(now, on="row", how="left", maintain_order="left")
            .select(pl.when(pl.col("old").is_not_null()).then(replaced).otherwise("claim").alias("claim"))
        )["claim"]
    return marked.str.replace_all(_MARK, "", literal=True).rename(claims.name)


def _marked(column: str) -> pl.Expr:
    return pl.col(column).str.replace_all(r"([\p{L}\p{N}'’-]+)", f"{_MARK}$1{_MARK}")
