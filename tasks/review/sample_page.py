"""The page of an auditor's sample: each item with its evidence side by side.

Belongs here: one self-contained page without scripts. Whatever came from a trace is escaped, and characters
that act instead of being seen are shown by their code point.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.tables import VERDICTS
from tasks.visible import visible


@dataclass(frozen=True)
class Item:
    """One drawn event: its index in the log, its fields, and the texts that were disclosed of it by name."""

    index: int
    body: Mapping[str, Any]
    texts: Mapping[str, str]


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;"
    "background:#fff}article{border-top:1px solid #bbb;padding:1rem 0;break-inside:avoid}"
    ".pair{display:grid;grid-template-columns:1fr 1fr;gap:1.5rem}code,td{overflow-wrap:anywhere}"
    "blockquote{margin:0 0 .25rem;white-space:pre-wrap;overflow-wrap:anywhere;border-left:3px solid #666;"
    "padding-left:.75rem}table{border-collapse:collapse}th,td{text-align:left;padding:.1rem 1rem .1rem 0}"
    "small{color:#444}@media(max-width:40rem){.pair{grid-template-columns:1fr}}"
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
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        "<meta name=viewport content='width=device-width'><title>Audit sample</title>",
        f"<style>{_STYLE}</style><h1>Audit sample</h1>",
        f"<p>{facts['size']} of {facts['population']} verifications in the log "
        f"<b>{_say(facts['origin'])}</b> at {facts['checkpoint_size']} events, "
        f"root <code>{_say(facts['checkpoint_root'])}</code>.</p>",
        f"<p>Size: {_say(wanted)}.</p><p>Drawn by the nonce <code>{_say(facts['nonce'])}</code>: "
        f"{_say(facts['rule'])}.</p>{_strata(facts)}",
        "<p>Check all proofs with <code>claimledger ledger check FOLDER --key KEY</code>, or each with "
        "check_proof.py, which imports nothing of claimledger. Then fill in "
        "<a href=results.csv>results.csv</a>: outcome is confirmed or overturned, and "
        "corrected_verdict what it should have been. "
        "<code>claimledger review import results.csv</code> evaluates it.</p>",
        *(_item(item) for item in items),
    ]
    return "".join(parts) + "</html>\n"


def _strata(facts: Mapping[str, Any]) -> str:
    if not facts["strata"]:
        return ""
    rows = "".join(f"<tr><td>{_say(name)}<td>{count}" for name, count in sorted(facts["strata"].items()))
    return f"<table><tr><th>{_say(facts['stratify'])}<th>items{rows}</table>"


def _item(item: Item) -> str:
    body, texts = item.body, item.texts
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(body["occurred_at_us"]))
    named = [(f"passage {p['rank']}", p) for p in body["evidence"]]
    shown = "".join(
        f"<blockquote dir=auto>{_say(texts[name])}</blockquote><p><small>{name}: {_scores(p)}</small></p>"
        for name, p in named
        if name in texts
    )
    claim = texts.get("claim", "erased, or its key is not on this machine")
    limits = ", ".join(
        f"{name} from {int(body[f'threshold_{name}_u6']) / 1_000_000:.3f}"
        for name in ("supported", "contradicted")
    )
    return (
        f"<article id=e{item.index}><h2>Event {item.index}: {_say(body['verdict'])}</h2>"
        f"<p>{_scores(body)}; {limits} by policy {_say(body['policy'])}; action {_say(body['action'])}; "
        f"{_say(body['kind'])} at {at:%Y-%m-%d %H:%M} UTC; <a href='proofs/{item.index}.tlog-proof'>proof</a>"
        f"<br><small>verdict <code>{_say(body['subject_id'])}</code></small></p>"
        f"<div class=pair><section><h3>Claim</h3><blockquote dir=auto>{_say(claim)}</blockquote></section>"
        f"<section><h3>Evidence</h3>{shown or '<p>none</p>'}</section></div></article>"
    )


def _scores(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {int(record[f'p_{name}_u6']) / 1_000_000:.3f}" for name in VERDICTS)


def _say(text: object) -> str:
    return html.escape(visible(str(text)))
