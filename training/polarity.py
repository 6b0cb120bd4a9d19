"""Negation put in or taken out where no auxiliary shows the place, and words exchanged for their opposites.

Belongs here: edits as in `perturb.py` that turn what a rule allows, covers or includes into its opposite.
English only; an edit that finds nothing to change returns None.
"""

from __future__ import annotations

import random
import re

from training.perturb import one, put

_REGULAR = [
    "accept",
    "add",
    "affect",
    "allow",
    "appear",
    "apply",
    "approve",
    "assist",
    "avoid",
    "begin",
    "belong",
    "block",
    "build",
    "cancel",
    "carry",
    "cause",
    "change",
    "charge",
    "check",
    "claim",
    "collect",
    "come",
    "connect",
    "contain",
    "continue",
    "convert",
    "cost",
    "count",
    "cover",
    "create",
    "decide",
    "delete",
    "deliver",
    "depend",
    "describe",
    "detect",
    "disable",
    "download",
    "earn",
    "edit",
    "enable",
    "encourage",
    "end",
    "enter",
    "exist",
    "expect",
    "expire",
    "export",
    "extend",
    "fail",
    "follow",
    "get",
    "give",
    "grow",
    "guarantee",
    "handle",
    "happen",
    "help",
    "ignore",
    "import",
    "improve",
    "include",
    "increase",
    "influence",
    "inherit",
    "install",
    "interact",
    "involve",
    "issue",
    "join",
    "keep",
    "last",
    "lead",
    "leave",
    "let",
    "limit",
    "list",
    "live",
    "load",
    "lock",
    "lower",
    "maintain",
    "make",
    "manage",
    "match",
    "mean",
    "measure",
    "need",
    "notify",
    "occur",
    "offer",
    "open",
    "operate",
    "own",
    "participate",
    "pay",
    "perform",
    "permit",
    "play",
    "prevent",
    "print",
    "process",
    "produce",
    "prohibit",
    "protect",
    "provide",
    "publish",
    "raise",
    "read",
    "receive",
    "recommend",
    "record",
    "reduce",
    "refer",
    "refund",
    "refuse",
    "reject",
    "rely",
    "remain",
    "remove",
    "replace",
    "report",
    "represent",
    "require",
    "reset",
    "resolve",
    "respond",
    "return",
    "review",
    "run",
    "save",
    "scale",
    "search",
    "seem",
    "sell",
    "send",
    "serve",
    "share",
    "ship",
    "show",
    "sign",
    "speak",
    "start",
    "stay",
    "stop",
    "store",
    "suggest",
    "supply",
    "support",
    "sync",
    "take",
    "teach",
    "tell",
    "tend",
    "test",
    "track",
    "train",
    "transfer",
    "travel",
    "treat",
    "trigger",
    "update",
    "upgrade",
    "upload",
    "use",
    "validate",
    "vary",
    "wait",
    "want",
    "work",
    "write",
]


def _third(verb: str) -> str:
    if re.search(r"(?:s|x|z|ch|sh|o)$", verb):
        return verb + "es"
    return verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + "s"


_BASE = {_third(verb): verb for verb in _REGULAR}
_THIRD = re.compile(
    r"(?<=[a-z)] )(?:" + "|".join(sorted(_BASE, key=len, reverse=True)) + r")\b(?! (?:of|is|are|was)\b|[-/])"
)
_DOES_NOT = re.compile(r"\b(?:does not|doesn['’]t) ([a-z]+)\b")
_DO_NOT = re.compile(r"\b(?:do not|don['’]t) (?=[a-z])")
_CANNOT = re.compile(r"\b(?:cannot|can['’]t|can not)\b")
_NEVER = re.compile(r" never(?= )")

_OPPOSITE_PAIRS = (
    ("allowed", "forbidden"),
    ("permitted", "prohibited"),
    ("included", "excluded"),
    ("includes", "excludes"),
    ("include", "exclude"),
    ("available", "unavailable"),
    ("required", "optional"),
    ("mandatory", "voluntary"),
    ("possible", "impossible"),
    ("accepted", "rejected"),
    ("accepts", "refuses"),
    ("accept", "refuse"),
    ("approved", "rejected"),
    ("enabled", "disabled"),
    ("enable", "disable"),
    ("enables", "disables"),
    ("valid", "invalid"),
    ("eligible", "ineligible"),
    ("safe", "unsafe"),
    ("able", "unable"),
    ("likely", "unlikely"),
    ("common", "rare"),
    ("open", "closed"),
    ("public", "private"),
    ("free", "subject to a charge"),
    ("with", "without"),
    ("succeeds", "fails"),
    ("passes", "fails"),
    ("allows", "prevents"),
    ("allow", "prevent"),
    ("supports", "lacks support for"),
    ("always", "never"),
    ("everyone", "nobody"),
    ("must", "need not"),
    ("permanent", "temporary"),
    ("public", "confidential"),
    ("same", "different"),
    ("effective", "ineffective"),
    ("starts", "stops"),
    ("gains", "loses"),
    ("encouraged", "discouraged"),
    ("encourage", "discourage"),
    ("recommended", "discouraged"),
    ("known", "unknown"),
    ("complete", "incomplete"),
    ("legal", "illegal"),
    ("visible", "hidden"),
    ("automatically", "only by hand"),
)
_OPPOSITE: dict[str, list[str]] = {}
for _a, _b in _OPPOSITE_PAIRS:
    _OPPOSITE.setdefault(_a, []).append(_b)
    _OPPOSITE.setdefault(_b, []).append(_a)
_WORD = re.compile(r"(?<![-\w])(?:" + "|".join(sorted(_OPPOSITE, key=len, reverse=True)) + r")(?![-\w])")


def verb(text: str, rng: random.Random) -> str | None:
    """`covers` to `does not cover`, and the reverse; `cannot` to `can`, `never` away."""
    for pattern, new in ((_CANNOT, "can"), (_NEVER, "")):
        match = pattern.search(text)
        if match is not None:
            return text[: match.start()] + new + text[match.end() :]
    match = _DOES_NOT.search(text)
    if match is not None:
        return put(text, match, _third(match.group(1)))
    match = _DO_NOT.search(text)
    if match is not None and match.start() > 0:
        return text[: match.start()] + text[match.end() :]
    match = one(_THIRD, text, rng)
    if match is None:
        return None
    return put(text, match, f"{rng.choice(('does not', 'does not', 'doesn’t'))} {_BASE[match.group(0)]}")


def opposite(text: str, rng: random.Random) -> str | None:
    """One word by its opposite: permitted and prohibited, with and without."""
    match = one(_WORD, text, rng)
    return None if match is None else put(text, match, rng.choice(_OPPOSITE[match.group(0)]))
