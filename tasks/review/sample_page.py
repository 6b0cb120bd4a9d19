"""The page of an auditor's sample: each item with its evidence side by side.

Belongs here: one self-contained page without scripts. Whatever came from a trace is escaped, and characters
that act instead of being seen are shown by their code point.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.ledger.words import moment, share
from tasks.tables import VERDICTS
from tasks.visible import visible


@dataclass(frozen=True)
class Item:
    """One drawn event: its index in the log, its fields, the texts that were disclosed of it by name, and
    what the tables say of it (`sample_items.details`).
    """

    index: int
    body: Mapping[str, Any]
    texts: Mapping[str, str]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def deciding_sentence(self) -> tuple[int, int, int] | None:
        """Rank of the passage that decided and the place of its sentence; None where none is known."""
        rank, start, end = (self.about.get(f"decisive_{name}") for name in ("rank", "start", "end"))
        text = self.texts.get(f"passage {rank}", "")
        if rank is None or start is None or end is None or not start < end <= len(text):
            return None
        return rank, start, end


SHOWN = (
    *("event", "page", "verdict", "claim", "deciding_sentence", "document", "reason", "question", "answer"),
    *("agent", "model", "use_case"),
)
"""Columns of the result sheet that a person judges by; `page` leads to the item's place on the page."""


def cells(item: Item) -> list[str]:
    """An item's values of `SHOWN`; empty where something is not known or was erased."""
    about, deciding = item.about, item.deciding_sentence
    sentence = document = ""
    if deciding:
        rank, start, end = deciding
        sentence = item.texts[f"passage {rank}"][start:end]
        document = about["documents"].get(str(rank)) or ""
    values = {
        **{name: about.get(name) for name in SHOWN},
        "event": item.index,
        "page": f"index.html#e{item.index}",
        "verdict": item.body["verdict"],
        "claim": item.texts.get("claim"),
        "deciding_sentence": sentence,
        "document": document,
    }
    return ["" if values[name] is None else str(values[name]) for name in SHOWN]


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}article{border-top:1px solid #bbb;padding:1rem 0;break-inside:avoid}"
    ".pair{display:grid;grid-template-columns:1fr 1fr;gap:1.5rem}code,td{overflow-wrap:anywhere}"
    "blockquote{margin:0 0 .25rem;white-space:pre-wrap;overflow-wrap:anywhere;border-left:3px solid #666;"
    "padding-left:.75rem}table{border-collapse:collapse}th,td{text-align:left;padding:.1rem 1rem .1rem 0}"
    "small{color:#444}mark{background:#fde68a;color:inherit}@media(max-width:40rem){.pair{grid-template-columns:1fr}}"
)


def render(items: Sequence[Item], facts: Mapping[str, Any]) -> str:
    """The page's HTML.

    Args:
        facts: what sample.json says of the draw.
    """
    wanted = f"{facts['size']} items as asked for"
    if facts["confidence"]:
        wanted = (
            f"the smallest size for which a population with a deviation rate above {facts['tolerable']:.2%} "
            f"shows no deviation with a probability of at most {1 - facts['confidence']:.2%} "
            "(hypergeometric distribution, exact)"
        )
    left_out = ""
    if facts.get("erased"):
        left_out = f" {facts['erased']} more are of outputs that were erased before, and are not drawn from."
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        "<meta name=viewport content='width=device-width'><title>Audit sample</title>",
        f"<style>{_STYLE}</style><h1>Audit sample</h1>",
        f"<p>{facts['size']} of {facts['population']} verifications in the log "
        f"<b>{_say(facts['origin'])}</b> at {facts['checkpoint_size']} events, "
        f"root <code>{_say(facts['checkpoint_root'])}</code>.{left_out}</p>",
        f"<p>Size: {_say(wanted)}.</p><p>Drawn by the nonce <code>{_say(facts['nonce'])}</code>: "
        f"{_say(facts['rule'])}.</p>{_strata(facts)}",
        "<p>Check all proofs with <code>claimledger ledger check FOLDER --key KEY</code>, or each with "
        "check_proof.py, which imports nothing of claimledger. Then fill in "
        "<a href=results.csv>results.csv</a>: outcome is confirmed or overturned, and "
        "corrected_verdict what it should have been, reviewed_at the time (ISO 8601) where it is not the "
        "import's. <code>claimledger review import results.csv</code> evaluates it.</p>"
        "<p><small>Claim and passages are proven by each item's proof. Question, answer, reason, agent and "
        "documents come from the tables, which <code>claimledger ledger verify</code> holds against the log. "
        "Marked: the claim in the answer, and the sentence that decided.</small></p>",
        *(_item(item, line) for line, item in enumerate(items, 2)),
    ]
    return "".join(parts) + "</html>\n"


def _strata(facts: Mapping[str, Any]) -> str:
    if not facts["strata"]:
        return ""
    rows = "".join(f"<tr><td>{_say(name)}<td>{count}" for name, count in sorted(facts["strata"].items()))
    return f"<table><tr><th>{_say(facts['stratify'])}<th>items{rows}</table>"


def _item(item: Item, line: int) -> str:
    body, texts, about = item.body, item.texts, item.about
    shown = "".join(_passage(item, passage) for passage in body["evidence"])
    claim = texts.get("claim", "erased, or its key is not on this machine")
    limits = ", ".join(
        f"{name} from {share(int(body[f'threshold_{name}_u6']))}" for name in ("supported", "contradicted")
    )
    who = ", ".join(_say(about[name]) for name in ("agent", "model", "use_case") if about.get(name))
    return (
        f"<article id=e{item.index}><h2>Event {item.index}: {_say(body['verdict'])}</h2>"
        f"<p>{_say(about.get('reason') or '')}</p>"
        f"<p>{_scores(body)}; {limits} by policy {_say(body['policy'])}; action {_say(body['action'])}; "
        f"{_say(body['kind'])} at {moment(int(body['occurred_at_us']))}; "
        f"<a href='proofs/{item.index}.tlog-proof'>proof</a>, "
        f"line {line} of <a href=results.csv>results.csv</a>"
        f"<br><small>{who}{_record(about)} verdict <code>{_say(body['subject_id'])}</code></small></p>"
        f"{_asked(about)}"
        f"<div class=pair><section><h3>Claim</h3><blockquote dir=auto>{_say(claim)}</blockquote></section>"
        f"<section><h3>Evidence</h3>{shown or '<p>none</p>'}</section></div></article>"
    )


def _record(about: Mapping[str, Any]) -> str:
    if not about.get("source_id"):
        return ";"
    return f"; record <code>{_say(about['source_id'])}</code> of source {_say(about['source'])};"


def _asked(about: Mapping[str, Any]) -> str:
    """Question and whole answer, with the claim marked where it stands."""
    if about.get("answer") is None:
        return ""
    question = about.get("question")
    asked = f"<h3>Question</h3><blockquote dir=auto>{_say(question)}</blockquote>" if question else ""
    answer = _marked(about["answer"], about.get("claim_start"), about.get("claim_end"))
    return f"{asked}<h3>Answer</h3><blockquote dir=auto>{answer}</blockquote>"


def _passage(item: Item, passage: Mapping[str, Any]) -> str:
    """A passage with its address and scores, the deciding sentence marked; empty where not disclosed."""
    rank, deciding = passage["rank"], item.deciding_sentence
    text = item.texts.get(f"passage {rank}")
    if text is None:
        return ""
    start, end = deciding[1:] if deciding and deciding[0] == rank else (None, None)
    address = item.about.get("documents", {}).get(str(rank))
    where = f" of <code>{_say(address)}</code>" if address else ""
    return (
        f"<blockquote dir=auto>{_marked(text, start, end)}</blockquote>"
        f"<p><small>passage {rank}{where}: {_scores(passage)}</small></p>"
    )


def _marked(text: str, start: int | None, end: int | None) -> str:
    """Escaped text with the characters from `start` to `end` marked; places beyond the text mark nothing."""
    if start is None or end is None or not 0 <= start < end <= len(text):
        return _say(text)
    return f"{_say(text[:start])}<mark>{_say(text[start:end])}</mark>{_say(text[end:])}"


def _scores(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {share(int(record[f'p_{name}_u6']))}" for name in VERDICTS)


def _say(text: object) -> str:
    return html.escape(visible(str(text)))
