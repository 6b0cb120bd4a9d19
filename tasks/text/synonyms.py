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
lay off, lays off, laid off, laying off = dismiss, dismisses, dismissed, dismissing
lay off, lays off, laid off, laying off = make redundant, makes redundant, made redundant, making redundant
fired = sacked = dismissed
acquire, acquires, acquired, acquiring = buy, buys, bought, buying
acquire, acquires, acquired, acquiring = take over, takes over, took over, taking over
need, needs, needed, needing = require, requires, required, requiring
obtain, obtains, obtained, obtaining = get, gets, got, getting = receive, receives, received, receiving
attempt, attempts, attempted, attempting = try, tries, tried, trying
reply, replies, replied, replying = answer, answers, answered, answering
respond, responds, responded, responding = reply, replies, replied, replying
inform, informs, informed, informing = notify, notifies, notified, notifying
provide, provides, provided, providing = supply, supplies, supplied, supplying
participate, participates, participated, participating = take part, takes part, took part, taking part
release, releases, released, releasing = launch, launches, launched, launching
refund, refunds, refunded, refunding = reimburse, reimburses, reimbursed, reimbursing
raise, raises, raised, raising = increase, increases, increased, increasing
lower, lowers, lowered, lowering = reduce, reduces, reduced, reducing
increase, increases, increased, increasing = rise, rises, rose, rising = go up, goes up, went up, going up
fall, falls, fell, falling = drop, drops, dropped, dropping = decrease, decreases, decreased, decreasing
fall, falls, fell, falling = decline, declines, declined, declining
fall, falls, fell, falling = go down, goes down, went down, going down
expire, expires, expired, expiring = end, ends, ended, ending = run out, runs out, ran out, running out
conclude, concludes, concluded, concluding = end, ends, ended, ending
commence, commences, commenced, commencing = start, starts, started, starting
remain, remains, remained, remaining = stay, stays, stayed, staying
flow into, flows into, flowed into = empty into, empties into, emptied into
oppose, opposes, opposed, opposing = object to, objects to, objected to, objecting to
investigate, investigates, investigated, investigating = look into, looks into, looked into, looking into
handle, handles, handled, handling = deal with, deals with, dealt with, dealing with
examine, examines, examined, examining = inspect, inspects, inspected, inspecting
delete, deletes, deleted, deleting = remove, removes, removed, removing
submit, submits, submitted, submitting = hand in, hands in, handed in, handing in
distribute, distributes, distributed, distributing = hand out, hands out, handed out, handing out
fill in, fills in, filled in = fill out, fills out, filled out
fund, funds, funded, funding = finance, finances, financed, financing
cause, causes, caused, causing = lead to, leads to, led to, leading to
cause, causes, caused, causing = result in, results in, resulted in, resulting in
comprise, comprises, comprised = consist of, consists of, consisted of
consist of, consists of, consisted of = be made up of, is made up of, was made up of
contain, contains, contained, containing = include, includes, included, including
protect, protects, protected, protecting = shield, shields, shielded, shielding
destroy, destroys, destroyed, destroying = wipe out, wipes out, wiped out, wiping out
depart, departs, departed, departing = leave, leaves, left, leaving
head, heads, headed, heading = lead, leads, led, leading
use, uses, used, using = utilise, utilises, utilised, utilising = utilize, utilizes, utilized, utilizing
is caused by = is due to = results from
because of = due to = owing to = as a result of
despite = in spite of
instead of = rather than
injured = hurt = wounded
rapidly = quickly
often = frequently
rarely = seldom
usually = normally = typically
currently = at present = at the moment
previously = formerly
subsequently = afterwards = later
immediately = at once = right away
sufficient = enough
additional = extra
entire = whole
wealthy = rich
ill = sick
difficult = hard
incorrect = wrong
enormous = huge = massive
inhabitant, inhabitants = resident, residents
customer, customers = client, clients
worker, workers = employee, employees
student, students = pupil, pupils
teenager, teenagers = adolescent, adolescents
medicine, medicines = medication, medications = drug, drugs
illness, illnesses = disease, diseases
surgery = operation
high blood pressure = hypertension
heart attack, heart attacks = myocardial infarction, myocardial infarctions
error, errors = mistake, mistakes
goal, goals = aim, aims = objective, objectives
advantage, advantages = benefit, benefits
disadvantage, disadvantages = drawback, drawbacks
photo, photos = photograph, photographs = picture, pictures
bike, bikes = bicycle, bicycles
lift, lifts = elevator, elevators
flat, flats = apartment, apartments
lorry, lorries = truck, trucks
petrol = gasoline
railway, railways = railroad, railroads
shop, shops = store, stores
rubbish = garbage = trash = waste
mobile phone, mobile phones = cell phone, cell phones = cellphone, cellphones
fee, fees = charge, charges
warranty, warranties = guarantee, guarantees
screen, screens = display, displays
salary, salaries = wage, wages
email, emails = e-mail, e-mails
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
