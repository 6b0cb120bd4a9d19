"""What a claim and a passage have in common, as numbers that the default verifier weighs; and absent names.

All functions are vectorised over pairs and deterministic. Where a claim says something else than its evidence
is told by `rules.py`.

Regular expressions are Polars' (linear time), so hostile text costs no more than its length.
Bump `RULES_VERSION` with any change that can change a score: it is part of verifiers' fingerprints.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from tasks.text import words

RULES_VERSION = 1


ASCII_CHARACTERS = 400
"""Of a piece: two long sentences. What is longer says several things, and its vector none of them clearly."""
OTHER_CHARACTERS = 150
"""The same for text that is not all ASCII; scripts without spaces say more per character."""

LONG_NAME = 8
"""Letters of a name of which the last three may be an ending."""
_SAME_PLACE = [
    (r"^(?:us|usa|u\.s|u\.s\.a|united|states|america|american)$",
     r"\b(?:US|USA|U\.S\.|United States|America)"),
    (r"^(?:uk|u\.k|united|kingdom|britain|british)$", r"\b(?:UK|U\.K\.|United Kingdom|Brit(?:ain|ish))"),
    (r"^(?:eu|e\.u|european|union)$", r"\b(?:EU|E\.U\.|European Union)"),
]  # fmt: skip
"""Names of what has several, word by word in lower case, and what texts call it."""
_NO_NAME = (
    r"(?i)^(?:I['’]?(?:m|ve|ll|d)|hello|hi|hey|yes|yeah|yep|ok|okay|well|oh|wow|sure|thanks|please|due|sorry|"
    r"afraid|received|saving|limited|sentence|passage|dr|mr|mrs|ms|many|most|several|some|few|both|each|every|"
    r"another|other|such|these|those|here|there|however|although|while|because|since|among|during|overall|"
    r"additionally|furthermore|moreover|given|compared|type|figure|table|note|example|yes|no)$"
)
"""Words that stand with a capital and are not names."""

SHARED = ("coverage", "coverage_best", "bigrams", "rarest_missing", "claim_length", "evidence_length")
"""Columns of `shared_words`: how much of a claim is shared, and how much text there is."""

_CITATION_MARKS = r"\s?(?:\[\^?\d{1,3}\^?(?:\s?[,;–-]\s?\d{1,3}){0,20}\]|【[^】]{1,40}】)"


def without_citations(texts: pl.Expr) -> pl.Expr:
    """The texts without citation marks such as [3], [1, 2], [^4^]: they are not numbers of the claim."""
    return texts.str.replace_all(_CITATION_MARKS, "")


def pieces(passages: pl.Series) -> pl.DataFrame:
    """Passages (n) cut at sentence ends and then by length: `passage` (index, UInt32), `text`.

    Every character that is not white space is in exactly one piece; a passage of white space has none.
    """
    text = pl.col("text")
    is_ascii = text.str.len_chars() == text.str.len_bytes()
    return (
        pl.DataFrame({"text": passages.cast(pl.String)})
        .with_row_index("passage")
        .with_columns(text.str.replace_all(f"{words.SENTENCE_END}+", "${1}\n").str.split("\n"))
        .explode("text", empty_as_null=True)
        .with_columns(pl.when(is_ascii).then(_runs(ASCII_CHARACTERS)).otherwise(_runs(OTHER_CHARACTERS)))
        .explode("text", empty_as_null=True)
        .with_columns(text.str.strip_chars())
        .filter(text.str.len_chars() > 0)
    )


def _runs(limit: int) -> pl.Expr:
    """Greedy runs of at most `limit` characters that end before white space; longer words are cut."""
    return pl.col("text").str.extract_all(rf"\S(?:.{{0,{limit - 2}}}\S(?:\s|$)|\S{{0,{limit - 1}}})")


def name_missing(claims: pl.Series, evidence: pl.Series) -> pl.Series:
    """First name in each claim that no part of its evidence mentions ("Boston"); null where none is."""
    pairs = _pairs(claims, evidence)
    missing = words.names(pairs["claim"]).join(
        words.tokens(pairs["evidence"]), on=["row", "term"], how="anti", maintain_order="left"
    )
    # In text of web pages words stand glued together or apart, and a name has several forms: what is there in
    # any of them is not missing.
    text = pl.lit(_squeezed(pairs["evidence"].to_frame("text"), "text")).gather(pl.col("row"))
    # "Lynde1": the digit is a footnote's. "COVID-19-positive" is about COVID-19.
    missing = missing.with_columns(
        pl.col("term", "shown").str.replace(r"^(\p{L}{3,})\d{1,2}$", "${1}").str.replace(r"-\p{Ll}{3,}$", ""),
        evidence=pl.lit(pairs["evidence"]).gather(pl.col("row")),
    )
    missing = missing.with_columns(term=_squeezed(missing, "term"), word="term").filter(
        *(
            ~(pl.col("word").str.contains(word) & pl.col("evidence").str.contains(called))
            for word, called in _SAME_PLACE
        ),
        ~text.str.contains(pl.col("term"), literal=True)
        & ~text.str.contains(_beginning(pl.col("term")), literal=True)
        & ~text.str.contains(_stem(pl.col("term")), literal=True)
        & ~pl.col("shown").str.contains(_NO_NAME),
    )
    first = missing.group_by("row").agg(pl.col("shown").first())
    return _by_row(first, "shown", len(pairs))


def _squeezed(frame: pl.DataFrame, column: str) -> pl.Series:
    """Texts in small letters without accents, spaces and hyphens."""
    plain = frame[column].str.normalize("NFKD").str.replace_all(r"\p{M}", "")
    return plain.str.to_lowercase().str.replace_all(r"[\s\-‐]+", "")


def _beginning(term: pl.Expr) -> pl.Expr:
    """What forms of a long name have in common: "Frenchman" and "French", "Assyrian" and "Assyria"."""
    size = term.str.len_chars()
    return pl.when(size >= LONG_NAME).then(term.str.head(size - 3)).otherwise(term)


def _stem(term: pl.Expr) -> pl.Expr:
    """What "Chinese" and "China", "Swedish" and "Sweden", "County" and "counties" have in common."""
    return term.str.replace(r"^(\p{L}{4,}?)(?:ese|ish|ian|an|en|ia|a|e|y)$", "${1}")


def shared_words(
    claims: pl.Series,
    passages: pl.Series,
    cut: pl.DataFrame,
    similarity: np.ndarray,
    *,
    weights: Mapping[str, float],
    unknown_weight: float,
) -> np.ndarray:
    """Matrix (n, len(SHARED)) float64, every value finite.

    Args:
        claims: n claims.
        passages: n passages, pair i in row i.
        cut: `pieces(passages)`, m rows.
        similarity: (m,) of each piece and its pair's claim; the most similar one is the best piece.
        weights: inverse document frequency by stem; `unknown_weight` for stems it lacks.

    The columns: share of the claim's content stems, by weight, found in the passage and in the best piece;
    share of adjacent stem pairs found; weight of the rarest stem missing, over `unknown_weight`; logarithm of
    stems and of pieces.
    """
    pairs = _pairs(claims, passages)
    count = pairs.height
    best = (
        cut.select(row="passage", text="text")
        .with_columns(similarity=pl.Series(similarity, dtype=pl.Float64))
        .group_by("row", maintain_order=True)
        .agg(pl.col("text").sort_by("similarity", descending=True).first(), pl.len())
    )
    best_stems = _stems(_by_row(best, "text", count).fill_null(""))
    claim_stems = _weighted(pairs["claim"], weights, unknown_weight)
    coverage, rarest = _coverage(claim_stems, _stems(pairs["evidence"]), count, unknown_weight)
    coverage_best, _ = _coverage(claim_stems, best_stems, count, unknown_weight)
    columns = {
        "coverage": coverage,
        "coverage_best": coverage_best,
        "bigrams": 1.0 - _missing(words.bigrams(pairs["claim"]), words.bigrams(pairs["evidence"]), count),
        "rarest_missing": rarest,
        "claim_length": np.log1p(_counts(claim_stems, count)),
        "evidence_length": np.log1p(_by_row(best, "len", count).fill_null(0).to_numpy()),
    }
    return np.column_stack([np.asarray(columns[n], np.float64) for n in SHARED]).reshape(count, len(SHARED))


# One long frame of (row, term) per kind of term, then joins: no loop over pairs.


def _pairs(claims: pl.Series, evidence: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"claim": claims.cast(pl.String), "evidence": evidence.cast(pl.String)}).fill_null("")


def _by_row(frame: pl.DataFrame, column: str, count: int) -> pl.Series:
    rows = pl.DataFrame({"row": np.arange(count, dtype=np.uint32)})
    return rows.join(frame.select("row", column), on="row", how="left", maintain_order="left")[column]


def _stems(texts: pl.Series) -> pl.DataFrame:
    return words.content_stems(texts).select("row", "term").unique(maintain_order=True)


def _weighted(texts: pl.Series, weights: Mapping[str, float], unknown_weight: float) -> pl.DataFrame:
    weight = pl.col("term").replace_strict(weights, default=unknown_weight, return_dtype=pl.Float64)
    return _stems(texts).with_columns(weight=weight)


def _coverage(
    required: pl.DataFrame, present: pl.DataFrame, count: int, unknown_weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Share of `required` by weight that is present (1 where nothing is), and the rarest absent one."""
    marked = required.join(
        present.with_columns(here=pl.lit(value=True)), on=["row", "term"], how="left", maintain_order="left"
    )
    here = pl.col("here").is_not_null()
    # Sorted, because floating-point sums depend on the order and a score must not depend on the batch.
    shares = (
        marked.sort("row", "term")
        .group_by("row", maintain_order=True)
        .agg(
            (pl.col("weight").filter(here).sum() / pl.col("weight").sum()).alias("share"),
            (pl.col("weight").filter(~here).max() / unknown_weight).alias("rarest"),
        )
    )
    return (
        _by_row(shares, "share", count).fill_null(1.0).fill_nan(1.0).to_numpy(),
        _by_row(shares, "rarest", count).fill_null(0.0).to_numpy(),
    )


def _missing(required: pl.DataFrame, present: pl.DataFrame, count: int) -> np.ndarray:
    """(count,) share of the distinct `required` (row, term) that is absent from `present`."""
    required = required.select("row", "term").unique()
    absent = required.join(present.select("row", "term").unique(), on=["row", "term"], how="anti")
    return np.asarray(_counts(absent, count) / np.maximum(_counts(required, count), 1))


def _counts(frame: pl.DataFrame, count: int) -> np.ndarray:
    return np.bincount(frame["row"].to_numpy(), minlength=count).astype(np.float64)
