"""Evidence that says less than the claim: under a condition, or as somebody's words.

Belongs here: which words limit a sentence, and whether the claim has them too. Does not belong here:
sentences that say something else (`numbers.py`, `nearest.py`).
"""

from __future__ import annotations

import polars as pl

from tasks.text import nearest

LEAST_REPORTED = 0.5
"""Of the claim's words that stand behind "alleged that": with fewer something else is alleged."""
LEAST_SHARE = 0.8
"""Of the claim's words that the limited sentence holds: with fewer the claim rests on something else."""
LONGEST_SENTENCE = 300
"""Characters of a sentence, or of a story, that is read as one: what is longer says several things."""

_CONDITION = (
    r"(?i)\b(?:unless|except(?: for| on| in| when| that)?|excluding|"
    r"provided (?:that|you|they|it|the|we|there)|as long as|so long as|"
    r"subject to|on condition|with (?:the |prior |written ){0,3}(?:approval|consent|permission) (?:of|from)|"
    r"(?:only|solely|exclusively) (?:if|when|for|in|on|after|before|with|where|to|until|from|at|during|by|"
    r"between|within|under|over)|if|once (?:you|they|all|the|a|an|it|we)|"
    r"(?:when|whenever) (?:the|a|an|you|your|it|they)|where (?:it|they|this)|"
    r"not before|in case|until (?:the|a|an|one|two|\d\d?))\b[^.;:!?]{2,80}"
)
_MONTH_OR_DAY = (
    r"(?:(?:early |mid-|late )?(?:january|february|march|april|may|june|july|august|september|october|"
    r"november|december)|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|\d{1,2}(?::\d\d)?(?: ?[ap]\.?m\.?)?)"
)
_WHEN = (
    rf"(?i)\b(?:(?:between|from) {_MONTH_OR_DAY} (?:and|to|until|till|through) {_MONTH_OR_DAY}|"
    r"(?:in|during) (?:the )?(?:spring|summer|autumn|winter)(?: months)?|on weekdays|(?:at|on) weekends|"
    r"on (?:mon|tues|wednes|thurs|fri|satur|sun)days|on public holidays|"
    r"outside (?:the )?(?:school )?(?:holidays|office hours))\b"
)
"""When something is so: a limit of what the claim says is so at any time."""
_AT_ANY_TIME = (
    r"(?i)\b(?:(?:is|are) (?:\p{L}+ )?(?:open|available|allowed|permitted|free|closed|valid|accepted|offered|"
    r"possible|served|sold|admitted|guided|heated|staffed)|can|may|runs?|operates?|opens?|closes?|"
    r"free of charge|for free|at no (?:cost|charge)|(?:ride|travel|park|enter|eat|swim|stay)s? free)\b"
)
_CASES = (
    r"(?i)\bin (?:an )?(?:emergenc(?:y|ies)|(?:exceptional|rare|some|certain|urgent|special) "
    r"(?:cases?|circumstances))\b"
)
_ON_REQUEST = (
    r"(?i)\b(?:(?:on|by|upon) (?:request|appointment|invitation|prescription)|"
    r"(?:for|at) (?:an? )?(?:extra|additional|small) (?:fee|charge|cost))\b"
)
_KIND_OF = (
    r"(?i)^(?:who|that|whose|with|without|in|from|at|of|under|over|above|below|aged|older|younger|born|"
    r"living|working|holding|travelling|\p{L}{2,}(?:ed|ing))\b[^,;:]*$"
)
"""What follows a plural and says which of them are meant."""
_RESTRICTING = (
    r"^(?:(?:who|that are|that have|accompanied|equipped|fitted|supervised|carried|approved|made|ordered|"
    r"booked|bought|holding|living|wearing|carrying) |"
    r"for (?:\p{L}+ ){1,3}(?:with|without|within|in|from|over|under|above|below|who|that|of|aged|between) |"
    r"(?:for|to) (?:members|students|children|adults|residents|patients|customers|subscribers|employees|"
    r"staff|guests|people|anyone|those)\b)[^,;:]*$"
)
"""What follows a whole claim and says of which of them, or for whom, it is so."""
_YES_OR_NO = (
    r"(?i)^(?:is|are|was|were|do|does|did|can|could|will|would|has|have|had|should|may|must)\b[^?]*\?$"
)
_NEXT_CLAUSE = r"(?i)(?:;|[,–—] ?(?:but|although|though|while|whereas|yet|however)\b).*$"
_TOLD = r"(?i)^(?:when|whenever|where)\b.*\b(?:was|were|had|did|\p{L}{2,}ed)\b"
_NUMBER = r"(?:two|three|four|five|six|seven|eight|nine|ten|twelve)"
_THING = (
    r"(?:years?|months?|weeks?|days?|hours?|minutes?|euros?|dollars?|pounds?|"
    r"percent|people|persons|users|seats|kg|km|miles|items|pages)\b"
)
_TIME = r"(?:years?|months?|weeks?|days?|hours?|minutes?)\b"
_LIMIT = (
    r"(?i)\b(?:(?:under|over|above|below|up to|at least|at most|more than|less than|older than|younger than|"
    r"with (?:fewer|less) than|(?:in|of) excess of|starting (?:at|from)|for the first|a minimum of|"
    r"a maximum of)(?: the age of)? "
    rf"(?:[$€£]?\d(?:[\d.,]*\d)?(?:%|[ -]{_THING})?|{_NUMBER}[ -]{_THING})|"
    r"during the first (?:year|month|week|day)\b|(?:after|before) \d\d?(?::\d\d)? ?[ap]m\b|"
    r"on the (?:first|second|third|last) \p{L}+day\b)"
)
_ONLY_AFTER = (
    r"(?i)\b(?:in|on|for|during|at|from|after|before|between|to|with|by|within|under|over|as|outside|near|via|"
    r"through|without)\b"
    r"[^.,;:!?]{2,60}\bonly\b"
)
_MENTION = (
    r"(?i)\b(?:(?:ask(?:s|ed|ing)?|wonder(?:s|ed|ing)?|question(?:s|ed)?|discuss(?:es|ed)?|debat(?:es|ed)?|"
    r"examin(?:es|ed)|investigat(?:es|ed)|consider(?:s|ed)?|unclear|unknown|unsure|"
    r"not (?:known|clear|certain)) "
    r"(?:whether|if)|whether(?: or not)?|rumou?red|"
    r"(?:according to|there (?:are|is|were)) (?:\p{L}+ )?rumou?rs?|"
    r"rumou?rs? (?:that|of|about|say|said|has it|have it|suggest)|"
    r"allegedly|alleged|alleges|reportedly|supposedly|"
    r"purportedly|den(?:y|ies|ied)(?: that| having)?|hypothetical(?:ly)?|imagine(?:s|d)?|"
    r"(?:it (?:is|was|has been)|(?:is|was|were|are)) (?:claimed|alleged|rumou?red)|claim(?:s|ed)? that|"
    r"it (?:is|was|has been) (?:\p{L}+ )?"
    r"(?:suggested|proposed|speculated|hypothesi[sz]ed|argued|assumed) that|"
    r"(?:is|are|was|were) (?:\p{L}+ )?(?:considering|contemplating|weighing|mulling)|"
    r"(?:the|a|an) (?:\p{L}+ )?(?:myth|rumou?r|legend|claim|allegation|hoax) (?:that|of)|falsely|mistakenly|"
    r"refused to (?:confirm|comment)|"
    r"(?:plan(?:s|ned)?|propos(?:es?|ed)|hop(?:es?|ed|ing)|wants?|wanted|intend(?:s|ed)?|expect(?:s|ed)?|"
    r"aim(?:s|ed)?|tr(?:y|ies|ied)) to|"
    r"(?:fear|hope|believe|think|suspect|expect|predict|speculate|warn|assume|guess)(?:s|ed|d)? that|"
    r"propos(?:al|ed) (?:that|to)|speculat(?:es|ed|ion)|(?:accused|suspected) of|suspect(?:s|ed)? (?:the|a)|"
    r"(?:could|may) have|might|perhaps|possibly)\b"
)
_FIRST_PERSON = (
    r"(?:^|[.!?]\s+)(?:I|We|My|Our)\b|"
    r"\b(?:I|we) (?:had|have|was|were|am|are|bought|went|saw|visited)\b"
)


_STUDY = (
    r"\bWe (?:also |further |then )?(?:find|found|show|report|stud|conduct|observ|present|propos|examin|"
    r"analy|investigat|aim|assess|evaluat|compar|describ|demonstrat|identif|perform|develop|hypothes|conclud|"
    r"estimat|review|use)"
)
"""Words of authors about their work, which is not a personal story."""


def limited(claims: pl.Series, near: pl.DataFrame) -> pl.DataFrame:
    """`row`, `at`, `words`, `is_condition`: what limits the sentence of a claim, and the claim lacks.

    Nothing where another sentence says as much without a limit.

    Args:
        claims: n claims.
        near: sentences, as `nearest.nearest` gives them.
    """
    close = near.filter(pl.col("share") >= LEAST_SHARE).with_columns(
        claim=pl.lit(claims).gather(pl.col("row"))
    )
    text, claim = pl.col("sentence"), pl.col("claim")
    general = _lacking(_CONDITION, _CONDITION + "|" + _ONLY_AFTER)
    # "Open on Mondays, and on Sundays once the ice has gone": the condition is of what follows the comma.
    is_said = _bare("sentence").str.to_lowercase().str.starts_with(_bare("claim").str.to_lowercase() + ",")
    is_said &= _bare("sentence").str.contains(r", (?:and|or) ")
    condition = pl.coalesce(
        # "When the town was founded" tells when it happened, and is not a condition.
        pl.when(~general.str.contains(_TOLD) & ~text.str.ends_with("?")).then(general),
        _lacking(_ONLY_AFTER, r"(?i)\bonly\b"),
        _new_limit(),
        pl.when(
            claim.str.contains(_AT_ANY_TIME) & ~claim.str.contains(rf"\d|{_WHEN}|(?i)\b{_MONTH_OR_DAY}")
        ).then(text.str.extract(f"({_WHEN})")),
        _lacking(_CASES, _CASES),
        _lacking(_ON_REQUEST, rf"{_ON_REQUEST}|(?i)\b(?:request|appointment|fee|charge|cost)"),
        _which_of_them(),
        _tail(),
    )
    # In a page without stops, words of one sentence report what another says.
    is_one = text.str.len_chars() <= LONGEST_SENTENCE
    mention = pl.when(~claim.str.contains(_MENTION) & is_one).then(text.str.extract(f"({_MENTION})"))
    # "Is the tower haunted?" asks, whatever else holds the claim's words.
    asked = pl.when(text.str.contains(_YES_OR_NO) & ~claim.str.contains(r"\?")).then(text)
    marked = close.with_columns(condition=pl.when(~is_said).then(condition), mention=mention, asked=asked)
    marked = _about_the_claim(marked).with_columns(words=pl.coalesce("condition", "mention", "asked"))
    free = marked.filter(pl.col("words").is_null()).group_by("row").agg(free=pl.col("share").max())
    return (
        marked.drop_nulls("words")
        .join(free, on="row", how="left")
        .filter(pl.col("free").fill_null(0.0) < pl.col("share"))
        .unique("row", keep="first", maintain_order=True)
        .select("row", "at", "words", is_condition=pl.col("condition").is_not_null())
    )


def _about_the_claim(marked: pl.DataFrame) -> pl.DataFrame:
    """Without conditions whose words the claim has, and reports of something else than what it says."""
    is_marked = pl.any_horizontal(pl.col("condition", "mention", "asked").is_not_null())
    free, marked = marked.filter(~is_marked), marked.filter(is_marked)
    after = pl.col("sentence").str.extract(rf"{_MENTION}(.*)$")
    texts = marked.select(
        "claim",
        "condition",
        "mention",
        said=after.str.replace(_NEXT_CLAUSE, ""),
        then=after.str.extract(f"({_NEXT_CLAUSE})"),
    )
    asked = [("claim", "said"), ("claim", "then"), ("condition", "claim"), ("mention", "claim")]
    said, then, condition, mention = _held(texts, asked)
    marked = marked.with_columns(
        condition=pl.when(condition < 1.0).then("condition"),
        mention=pl.when((said >= LEAST_REPORTED) & (said > then) & (mention < 1.0)).then("mention"),
    )
    order = ["row", "share", "start"]
    return pl.concat([free, marked]).sort(order, descending=[False, True, False])


def _held(texts: pl.DataFrame, asked: list[tuple[str, str]]) -> list[pl.Series]:
    """For each pair of columns, (n,) the share of the first's words that the other has; 0 without any."""
    if not texts.height:
        return [pl.Series(dtype=pl.Float64) for _ in asked]
    # All columns are read in one call, one after the other, and the words told apart by row.
    every = pl.concat([texts[name].fill_null("").alias("text") for name in texts.columns])
    terms = nearest.terms(every).select("row", "term").unique()
    place = pl.DataFrame({name: pl.int_range(texts.height, dtype=pl.UInt32, eager=True) + at * texts.height
                          for at, name in enumerate(texts.columns)})  # fmt: skip
    shares = []
    for some, other in asked:
        here = place.select(row=some, other=other)
        words = here.join(terms, on="row").join(
            terms.rename({"row": "other"}).with_columns(is_held=pl.lit(1)), on=["other", "term"], how="left"
        )
        share = words.group_by("row").agg(share=pl.col("is_held").fill_null(0).mean())
        joined = here.join(share, on="row", how="left", maintain_order="left")
        shares.append(joined["share"].fill_null(0.0))
    return shares


def _lacking(pattern: str, of_claim: str) -> pl.Expr:
    """The words of a sentence that match, where the claim has none like them."""
    words = pl.col("sentence").str.extract(f"({pattern})")
    return pl.when(~pl.col("claim").str.contains(of_claim)).then(words.str.strip_chars(" ,"))


def _which_of_them() -> pl.Expr:
    """ "Players ranked in the top ten get a racket", where the claim says it of all players."""
    text, claim = (pl.col(name).str.strip_chars(" .!").str.to_lowercase() for name in ("sentence", "claim"))
    first = claim.str.extract(r"^(\p{L}+s|people|children|men|women|staff) ")
    tail = claim.str.extract(r"^\p{L}+( .*)$")
    rest = pl.when(text.str.starts_with(first + " ")).then(text.str.strip_prefix(first + " "))
    at = rest.str.find(tail, literal=True)
    between = rest.str.head(at)
    return pl.when(between.str.contains(_KIND_OF)).then(between)


def _tail() -> pl.Expr:
    """ "Delivery takes two days for orders within Austria", where the claim ends before "for"."""
    claim = _bare("claim")
    is_whole = _bare("sentence").str.to_lowercase().str.starts_with(claim.str.to_lowercase() + " ")
    rest = pl.when(is_whole).then(_bare("sentence").str.slice(claim.str.len_chars() + 1))
    return rest.str.extract(f"({_RESTRICTING})")


def _bare(name: str) -> pl.Expr:
    return pl.col(name).str.strip_chars(" .!")


def _new_limit() -> pl.Expr:
    """ "under 12", where the claim has no such limit and does not name the number."""
    words = pl.col("sentence").str.extract(f"({_LIMIT})")
    number = pl.coalesce(
        words.str.extract(rf"(?i)(\d[\d.,]*\d|\d|{_NUMBER}\b)"), words.str.extract(r"(?i)(first\b)")
    )
    has_number = pl.col("claim").str.contains(number, literal=True).fill_null(value=True)
    # "More than 99 percent of the matter" says how much, and a duration beside a duration is another one.
    is_share = words.str.contains(r"(?i)(?:%|percent)$") & ~words.str.contains("(?i)^(?:for|with|in|up to)")
    is_time = words.str.contains(rf"(?i){_TIME}") & pl.col("claim").str.contains(
        rf"(?i)(?:\d|{_NUMBER}|one) {_TIME}"
    )
    is_other = pl.col("claim").str.contains(_LIMIT) | has_number | is_share | is_time
    return pl.when(~is_other).then(words)


def only_mentioned(
    claims: pl.Series, passages: pl.Series, of_claims: pl.DataFrame, of_sentences: pl.DataFrame
) -> pl.DataFrame:
    """`row`, `name`, `word`: claims whose names a personal story has, and nothing of what they say.

    Args:
        claims: n claims.
        passages: n passages.
        of_claims: terms of claims, as `nearest.nearest` gives them.
        of_sentences: `row` and `term` of the passages.
    """
    told = pl.DataFrame(
        {
            "row": pl.int_range(len(claims), dtype=pl.UInt32, eager=True),
            "told": (passages.str.len_chars() <= LONGEST_SENTENCE)
            & passages.str.contains(_FIRST_PERSON)
            & ~passages.str.contains(_STUDY)
            & ~claims.str.contains(_FIRST_PERSON),
        }
    ).filter("told")
    rows = of_claims.join(told, on="row", how="semi")
    present = rows.join(of_sentences.select("row", "term"), on=["row", "term"], how="semi")
    missing = rows.join(present.select("row", "term"), on=["row", "term"], how="anti")
    is_name = pl.col("shown").str.contains(r"^\p{Lu}")
    names = present.group_by("row", maintain_order=True).agg(
        name=pl.col("shown").filter(is_name).first(), others=(~is_name).sum()
    )
    words = missing.filter(~is_name).group_by("row", maintain_order=True).agg(word=pl.col("shown").first())
    return (
        names.filter((pl.col("others") == 0) & pl.col("name").is_not_null())
        .join(words, on="row")
        .select("row", "name", "word")
    )
