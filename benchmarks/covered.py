"""What a covered lake costs: in verdicts, where a claim and its evidence hold a value, and in time.

`python -m benchmarks.covered [--pairs 300] [--model MODEL]`: (1) made claims of seven kinds of values, each
with evidence that has the same value and with evidence that has another one of its kind, judged as they are,
masked and hashed; (2) megabytes of text a second.
"""

from __future__ import annotations

import argparse
import sys
import time

import polars as pl

from tasks.decide.policies import Policy
from tasks.privacy.cover import Cover
from tasks.verify.load import load
from tasks.verify.parameters import VerifierSettings
from tasks.verify.scoring import score_frame
from tests.support.labelled_texts import Maker

KINDS = ("email", "phone", "credit_card", "iban", "ssn", "ip_address", "secret")
FRAMES = (
    ("The contact for repairs is {}.", "Repairs are done on weekdays. Their contact is {}, all year round."),
    ("Her file says {}.", "The file was opened in May. It says {} on its first page."),
    ("You can use {} for it.", "For all questions of that kind {} is to be used."),
)


def pairs(count: int) -> pl.DataFrame:
    """Claims with evidence of the same value, and of another one."""
    maker = Maker(17)
    rows = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        value, other = (getattr(maker, f"_{kind}")("with a plus")[0] for _ in range(2))
        claim, evidence = FRAMES[number % len(FRAMES)]
        rows += [
            (kind, said, claim.format(value), evidence.format(shown))
            for said, shown in (("same", value), ("other", other))
        ]
    return pl.DataFrame(rows, schema=["kind", "value", "claim", "evidence"], orient="row")


def main() -> int:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--model", default=VerifierSettings().model)
    asked = parser.parse_args()
    made, verifier = pairs(asked.pairs), load(VerifierSettings(model=asked.model))
    print("lake     value   supported  contradicted  insufficient")
    for mode in ("clear", "masked", "hashed"):
        cover = Cover(mode=mode, detectors=KINDS, key=b"nobody can guess this")
        columns = [
            made[name] if mode == "clear" else cover.plain(made[name]) for name in ("claim", "evidence")
        ]
        scored = score_frame(made.with_columns(columns), verifier, Policy())
        for value in ("same", "other"):
            counts = dict(scored.filter(value=value)["verdict"].value_counts().iter_rows())
            shares = [
                counts.get(name, 0) / asked.pairs for name in ("supported", "contradicted", "insufficient")
            ]
            print(f"{mode:8} {value:6} {shares[0]:10.3f} {shares[1]:13.3f} {shares[2]:13.3f}")
    texts = pl.Series([labelled.text for labelled in Maker(3).texts(20_000)])
    size = texts.str.len_bytes().sum() / 1e6
    for mode in ("masked", "hashed"):
        begun = time.process_time()
        covered = Cover(mode=mode, detectors=KINDS, key=b"nobody can guess this").covered(texts)
        seconds = time.process_time() - begun
        print(f"{mode}: {size:.1f} MB, {len(covered.marks):,} values, {size / seconds:.1f} MB per CPU second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
