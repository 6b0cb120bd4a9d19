"""The cause of flips: right in at least 95% where one cause was planted.

    python -m benchmarks.reaudit [--outputs 60] [--verifier FOLDER_OR_NAME]

Real answers (the bundled sample) are audited against a corpus made of the documents that their agents were
given. Then copies of that lake are re-audited, each after other changes:

    nothing     no change at all: no flip
    evidence    documents of some use cases are edited: every other one removed, numbers raised in the rest
    verifier    another verifier (the embedded one at another temperature, or --verifier)
    policy      other thresholds
    apart       documents edited for some use cases, thresholds changed for others; flips of the others whose
                passages changed too (all share one corpus) have no one planted cause and are set apart
    together    all three at once, against an oracle: the verdicts of the first three lakes, each of which
                judged the same claims anew with one thing changed

Prints the share of flips whose cause is the planted one, beside the limit, and a JSON line.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from flows.audit import audit
from flows.reaudit import reaudit
from tasks.decide.policies import Policy
from tasks.evidence.parameters import CorpusSettings
from tasks.gate.parameters import ValidationSettings
from tasks.ledger.parameters import LedgerSettings
from tasks.settings import Settings
from tasks.sources.parameters import FieldMapping, FilesSettings
from tasks.verify.load import resolve
from tasks.verify.parameters import VerifierSettings
from tests.support.configuration import written
from tests.support.small_verifier import at_temperature

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "samples"
LIMIT = 0.95
TEMPERATURE = 3.0
"""Twice the fitted one: probabilities move towards each other, and many cross a threshold."""
STRICTER = Policy(name="stricter", version="2", threshold_supported=0.8, threshold_contradicted=0.4)


def records(count: int) -> list[dict[str, Any]]:
    """The first real answers of the sample, interleaved over its files, by the expert's field."""
    found = []
    for file in sorted((SAMPLE / "outputs").glob("expertqa-*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            found += [json.loads(line) for line in lines]
    for record in found:
        record["use_case"] = record["tags"]["field"]
    found.sort(key=lambda r: hashlib.sha256(r["trace"]["id"].encode()).digest())
    return found[:count]


def write(folder: Path, answers: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Answers without their contexts, and each context as a document; its files by use case."""
    (folder / "docs").mkdir()
    by_use_case: dict[str, list[str]] = {}
    with (folder / "outputs.jsonl").open("w", encoding="utf-8") as out:
        for answer in answers:
            for document in answer["retrieval"]["documents"]:
                name = hashlib.sha256(document["content"].encode()).hexdigest()[:16] + ".txt"
                (folder / "docs" / name).write_text(document["content"], "utf-8")
                by_use_case.setdefault(answer["use_case"], []).append(name)
            answer["retrieval"]["documents"] = []
            out.write(json.dumps(answer) + "\n")
    return by_use_case


def edit(docs: Path, names: list[str]) -> None:
    """Every other document goes; in the others every number is another."""
    for number, name in enumerate(sorted(set(names))):
        path = docs / name
        if number % 2:
            text = path.read_text("utf-8")
            path.write_text(re.sub(r"\d+", lambda m: str(int(m[0]) + 3), text), "utf-8")
        else:
            path.unlink()


def configuration(folder: Path, policies: tuple[Policy, ...], verifier: VerifierSettings) -> str:
    settings = Settings(
        lake=str(folder / "lake"),
        sources=(
            FilesSettings(
                name="expertqa",
                path=str(folder / "outputs.jsonl"),
                fields=FieldMapping(
                    id="trace.id",
                    produced_at="timestamp",
                    response="output.text",
                    agent="agent",
                    model="model",
                    use_case="use_case",
                ),
            ),
        ),
        corpus=CorpusSettings(path=str(folder / "docs")),
        policies=policies,
        verifier=verifier,
        validation=ValidationSettings(data_docs=False),
        ledger=LedgerSettings(key_folder=str(folder / "keys")),
    )
    return written(settings, folder / "claimledger.toml")


def flips(folder: Path, config: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The flips of a re-audit of everything, and the verdicts it reached."""
    done = reaudit(config=config, sample=1_000_000, seed="benchmark")
    tables = f"{folder}/lake/tables"
    found = pl.read_parquet(f"{tables}/flips/**/*.parquet").filter(pl.col("run_id") == done.run_id)
    verdicts = pl.read_parquet(f"{tables}/verdicts/**/*.parquet").filter(pl.col("run_id") == done.run_id)
    return found, verdicts


def reached_by_both(folder: Path, use_cases: list[str]) -> pl.Series:
    """Claims of those use cases that were shown other passages than before, read off the evidence itself."""
    tables = f"{folder}/lake/tables"
    verdicts = pl.read_parquet(f"{tables}/verdicts/**/*.parquet").filter(pl.col("use_case").is_in(use_cases))
    shown = (
        pl.read_parquet(f"{tables}/evidence/**/*.parquet")
        .sort("claim_id", "snapshot", "rank")
        .group_by("claim_id", "snapshot", maintain_order=True)
        .agg("passage_id")
    )
    # A claim that nothing is shown for has no row: two snapshots of it differ as well.
    judged = (
        verdicts.select("claim_id", "snapshot").unique().join(shown, on=["claim_id", "snapshot"], how="left")
    )
    different = judged.group_by("claim_id").agg(pl.col("passage_id").n_unique().alias("kinds"))
    return different.filter(pl.col("kinds") > 1)["claim_id"]


def apart_of(found: pl.DataFrame, folder: Path, other_cases: list[str]) -> tuple[pl.DataFrame, pl.Expr, str]:
    """Flips with one planted cause, that cause, and what was set apart."""
    kept = found.filter(~pl.col("claim_id").is_in(reached_by_both(folder, other_cases).implode()))
    has_policy = pl.col("use_case").is_in(other_cases)
    planted = pl.when(has_policy).then(pl.lit("policy")).otherwise(pl.lit("evidence"))
    causes = dict(kept["cause"].value_counts().iter_rows())
    return kept, planted, f"{causes}, {found.height - kept.height} reached by both set apart"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--outputs", type=int, default=60)
    parser.add_argument("--verifier", help="another verifier than the embedded one at another temperature")
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": platform.machine(), "cores": os.cpu_count(), "limit": LIMIT}
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary) / "base"
        base.mkdir()
        by_use_case = write(base, records(options.outputs))
        names = sorted(by_use_case)
        edited_cases, other_cases = names[::2], names[1::2]
        usual, old = (Policy(),), VerifierSettings()
        new = VerifierSettings(model=options.verifier or "")
        if not options.verifier:
            new = at_temperature(base, TEMPERATURE, resolve("default"))
        started = time.process_time()
        first = audit(configuration(base, usual, old))
        results["claims"] = sum(first.verdicts.values())
        print(f"{options.outputs} answers, {results['claims']} claims, first verdicts {first.verdicts}")

        def world(name: str, *, edits: bool, policies: tuple[Policy, ...], verifier: VerifierSettings) -> Any:
            folder = Path(temporary) / name
            shutil.copytree(base, folder)
            if edits:
                edit(folder / "docs", [n for case in edited_cases for n in by_use_case[case]])
            return flips(folder, configuration(folder, policies, verifier))

        def show(name: str, right: int, total: int, note: str = "") -> None:
            share = right / total if total else float("nan")
            results[name] = {"flips": total, "right": right}
            verdict = "yes" if total and share >= LIMIT else "NO"
            print(
                f"{name:9} {total:5} flips, cause right {share:7.1%}, at least {LIMIT:.0%}: {verdict} {note}"
            )

        strict = (STRICTER,)
        apart = (Policy(), replace(STRICTER, use_cases=tuple(other_cases)))
        found, _ = world("nothing", edits=False, policies=usual, verifier=old)
        results["nothing"] = {"flips": found.height}
        print(f"nothing   {found.height:5} flips, at most 0: {'yes' if not found.height else 'NO'}")
        alone = {}
        for cause, policies, verifier in (
            ("evidence", usual, old),
            ("verifier", usual, new),
            ("policy", strict, old),
        ):
            found, verdicts = world(cause, edits=cause == "evidence", policies=policies, verifier=verifier)
            alone[cause] = dict(verdicts.select("claim_id", "verdict").iter_rows())
            show(cause, found.filter(pl.col("cause") == cause).height, found.height)
        found, _ = world("apart", edits=True, policies=apart, verifier=old)
        found, planted, note = apart_of(found, Path(temporary) / "apart", other_cases)
        show("apart", found.filter(pl.col("cause") == planted).height, found.height, note)
        found, _ = world("together", edits=True, policies=strict, verifier=new)
        right = 0
        for row in found.iter_rows(named=True):
            singles = [
                c
                for c in alone
                if alone[c].get(row["claim_id"], row["verdict_before"]) != row["verdict_before"]
            ]
            expected = singles[0] if len(singles) == 1 else "combination"
            right += row["cause"] == expected and row["flips_alone"] == singles
        show("together", right, found.height, str(dict(found["cause"].value_counts().iter_rows())))
        results["cpu_s"] = round(time.process_time() - started, 1)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
