"""Small edits of a claim that leave it as true as it was: other words, order, voice, talk around it.

Belongs here: one function per kind of edit, pure and driven by the random generator it is given. Does not
belong here: edits that make a claim false (`perturb.py`), which evidence an edited claim is shown with
(`augment.py`) or what a verifier must answer (`contrast.py`). English only; an edit that finds nothing to
change, or nothing that stays surely grammatical, returns None.
"""

from __future__ import annotations

import random
import re

from training.perturb import MONTH, MONTHS, NUMBER, NUMBER_WORD, SMALL, WORD_VALUE, Edit, one, put

_DAY_FIRST = re.compile(rf"\b(\d{{1,2}}) ({MONTH}),? (\d{{4}})\b")
_MONTH_FIRST = re.compile(rf"\b({MONTH}) (\d{{1,2}}),? (\d{{4}})\b")
_DAY_OF_MONTH = re.compile(rf"(?<=[a-z,(] )({MONTH}) (\d{{1,2}})(?=[,.;)]|$| [a-z])(?!,? ?\d{{4}})")
_ITEM = r"[A-Za-z][A-Za-z'-]+"
_LIST = re.compile(rf"\b({_ITEM}), ({_ITEM}),? and ({_ITEM})(?=[.,;:)]|$)")
_PAIR = re.compile(r"(?<=[a-z] )([A-Z]\w+) and ([A-Z]\w+)\b(?! [A-Z])")
_SYNONYM_PAIRS = (
    ("film", "movie"),
    ("began", "started"),
    ("begin", "start"),
    ("large", "big"),
    ("about", "approximately"),
    ("also", "additionally"),
    ("often", "frequently"),
    ("usually", "typically"),
    ("many", "numerous"),
    ("children", "kids"),
    ("near", "close to"),
    ("show", "demonstrate"),
    ("shows", "demonstrates"),
    ("showed", "demonstrated"),
    ("help", "assist"),
    ("helps", "assists"),
    ("important", "significant"),
    ("famous", "well-known"),
    ("located", "situated"),
    ("created", "made"),
    ("purchase", "buy"),
    ("purchased", "bought"),
    ("obtain", "get"),
    ("obtained", "got"),
    ("received", "got"),
    ("people", "persons"),
    ("quickly", "rapidly"),
    ("entire", "whole"),
    ("physician", "doctor"),
    ("automobile", "car"),
    ("car", "automobile"),
    ("United States", "U.S."),
    ("United Kingdom", "UK"),
    ("television", "TV"),
    ("however", "nevertheless"),
    ("because", "since"),
    ("therefore", "thus"),
    ("various", "different"),
    ("require", "need"),
    ("requires", "needs"),
    ("such as", "including"),
    ("woman", "lady"),
    ("talking", "speaking"),
    ("job", "occupation"),
    ("ended", "finished"),
    ("killed", "slain"),
    ("mainly", "primarily"),
    ("main", "primary"),
    ("small", "little"),
    ("town", "small city"),
    ("author", "writer"),
    ("movie", "film"),
    ("started", "began"),
)
_SYNONYMS = dict(_SYNONYM_PAIRS)
_SYNONYM = re.compile(r"\b(?:" + "|".join(sorted(_SYNONYMS, key=len, reverse=True)) + r")\b")
_IRREGULAR = {
    "written": "wrote",
    "sung": "sang",
    "drawn": "drew",
    "given": "gave",
    "taken": "took",
    "chosen": "chose",
    "begun": "began",
    "driven": "drove",
    "shown": "showed",
    "beaten": "beat",
    "built": "built",
    "led": "led",
    "won": "won",
    "made": "made",
    "held": "held",
    "bought": "bought",
    "sold": "sold",
    "found": "found",
    "run": "ran",
}
_ENDS_AGENT = (
    r"(?!(?:in|on|at|for|from|as|and|with|during|after|before|to|who|which|that|when|while|under|over|near"
    r"|between|through|using|around|circa|since)\b)"
)
_PASSIVE = re.compile(
    r"^(?P<subject>(?:The |A |An |His |Her |Its |Their )?[A-Z]?[\w'’-]+(?: [\w'’-]+){0,7}?) "
    r"(?:was|were|has been|have been) (?P<how>(?:originally|first|initially|later|jointly|independently) )?"
    r"(?P<verb>[a-z]{2,}ed|" + "|".join(_IRREGULAR) + r") "
    rf"by (?P<agent>(?:the |a |an )?[\w'’.-]+(?: {_ENDS_AGENT}[\w'’-]+){{0,5}}"
    r"(?:(?:, [A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*)*,? and [A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*)?)"
    r"(?P<rest>(?:,? (?:in|on|at|during|after|before|between|from|for|as|to|with|under|using|around|circa"
    r"|while|when|since|over) [^.;:]{2,120})?)"
    r"(?P<stop> ?\.?)$"
)
"""Only the past, whose active form needs no agreement; the agent ends before a preposition or conjunction."""
_NO_AGENTS = (
    "hand",
    "car",
    "contract",
    "mail",
    "email",
    "phone",
    "now",
    "then",
    "default",
    "accident",
    "mistake",
)
_GOES_ON = re.compile(r"\b(?:and|but|or) (?:\w+ly )?(?:(?:is|was|were|are|has|have|had|can|will) |\w+ed\b)")
"""A second verb of the passive sentence's subject, which would get the agent for its subject."""
_NO_VOICE = re.compile(
    r"\b(?:who|which|that|and|not|it|he|she|they|this|these|both|there|as|when|while|if|because)\b", re.I
)
_OBJECTS = {"I": "me", "He": "him", "She": "her", "It": "it", "We": "us", "They": "them", "You": "you"}


def number_words(text: str, rng: random.Random) -> str | None:
    """Small numbers as words, or words as digits."""
    found = [m for m in NUMBER.finditer(text) if m.group(0).isdigit() and 2 <= int(m.group(0)) <= 20]
    before = re.compile(rf"(?:{MONTH}|[#$£€]|No\.|Season|season|Chapter|Part|World War) ?$")
    found = [
        m
        for m in found
        if not before.search(text[: m.start()]) and not re.match(rf"%| ?(?:{MONTH})", text[m.end() :])
    ]
    found += list(NUMBER_WORD.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    old = match.group(0)
    return put(text, match, SMALL[int(old)] if old.isdigit() else str(WORD_VALUE[old.lower()]))


def date_format(text: str, rng: random.Random) -> str | None:  # noqa: ARG001 - the shape of an edit
    """May 4, 1990 as 4 May 1990, and the reverse; May 4 as 4 May."""
    match = _MONTH_FIRST.search(text)
    if match is not None:
        return put(text, match, f"{match.group(2)} {match.group(1)} {match.group(3)}")
    match = _DAY_FIRST.search(text)
    if match is not None:
        return put(text, match, f"{match.group(2)} {match.group(1)}, {match.group(3)}")
    match = _DAY_OF_MONTH.search(text)
    return None if match is None else put(text, match, f"{match.group(2)} {match.group(1)}")


def list_order(text: str, rng: random.Random) -> str | None:  # noqa: ARG001 - the shape of an edit
    """The items of a list in another order."""
    match = _LIST.search(text)
    if match is not None:
        first, second, third = match.groups()
        if (
            len({first, second, third}) == 3
            and first[0].isupper() == second[0].isupper() == third[0].isupper()
        ):
            return text[: match.start()] + f"{second}, {third} and {first}" + text[match.end() :]
    match = _PAIR.search(text)
    if match is not None and match.group(1) not in MONTHS:
        return text[: match.start()] + f"{match.group(2)} and {match.group(1)}" + text[match.end() :]
    return None


def synonym(text: str, rng: random.Random) -> str | None:
    """One word by another of the same meaning."""
    match = one(_SYNONYM, text, rng)
    return None if match is None else put(text, match, _SYNONYMS[match.group(0)])


def voice(text: str, rng: random.Random) -> str | None:  # noqa: ARG001 - the shape of an edit
    """A passive sentence with an agent as an active one."""
    match = _PASSIVE.match(text)
    if match is None:
        return None
    agent, subject = match["agent"].strip(), match["subject"]
    subject = _OBJECTS.get(subject, subject)
    if (
        (subject not in _OBJECTS.values() and _NO_VOICE.search(subject))
        or agent.split()[0].endswith("ing")
        or agent[0].isdigit()
        or agent.lower().rstrip(".") in _NO_AGENTS
        or re.search(r"\b(?:[A-Z]|Prof|Dr|such|some time)\.?$", agent)
        or _GOES_ON.search(match["rest"])
    ):
        return None
    first = subject.split(" ")[0]
    if first in ("The", "A", "An", "His", "Her", "Its", "Their"):
        subject = subject[0].lower() + subject[1:]
    verb = _IRREGULAR.get(match["verb"], match["verb"])
    agent = re.sub(r"\.$", "", agent) if not match["rest"] else agent
    how = match["how"] or ""
    return f"{agent[0].upper()}{agent[1:]} {how}{verb} {subject}{match['rest']}{match['stop'] or '.'}"


_OPENERS = (
    "Yes, ",
    "Oh yes, ",
    "Sure! ",
    "Exactly! ",
    "Well, ",
    "Actually, ",
    "Also, ",
    "In short, ",
    "Fun fact: ",
    "Great question! ",
    "I think ",
    "I think that ",
    "I believe ",
    "I know that ",
    "I read that ",
    "I have heard that ",
    "As far as I know, ",
    "Did you know that ",
    "To answer your question, ",
    "It is worth noting that ",
    "Note that ",
    "Based on the documents provided, ",
    "According to the sources, ",
)
_CLOSERS = (
    " What do you think?",
    " Have you heard of it?",
    " Do you like it?",
    " It is great!",
    " I love it!",
    " That is so interesting.",
    " I hope this helps!",
    " Let me know if you have more questions.",
    " :)",
)
_LOWERED = re.compile(
    r"^(?:The|A|An|It|He|She|They|There|This|These|His|Her|Its|Their|In|On|At|Some|Most|Many) "
)


def framing(text: str, rng: random.Random) -> str | None:
    """The statement as people and agents say it in conversation: an opening, a remark after it, or both."""
    if len(text) < 20:
        return None
    told = text.strip()
    draw = rng.random()
    if draw < 0.75:
        opener = rng.choice(_OPENERS)
        lowers = not opener.endswith("! ") and _LOWERED.match(told)
        told = opener + (told[0].lower() + told[1:] if lowers else told)
    if draw > 0.5:
        told = (told if told[-1] in ".!?" else f"{told}.") + rng.choice(_CLOSERS)
    if rng.random() < 0.15:
        return told.lower()
    return told.rstrip(".") if rng.random() < 0.3 else told


HARMLESS: dict[str, Edit] = {
    "number_words": number_words,
    "date_format": date_format,
    "list_order": list_order,
    "synonym": synonym,
    "voice": voice,
}
"""Edits that leave a claim as true as it was."""
