"""A verifier under a calibration file: scores moved, a name of its own, and files that are refused."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flows.calibrate import scores_of_files
from tasks.decide import policies
from tasks.errors import InputError, ModelError
from tasks.verify import calibration
from tasks.verify.calibrate import calibrate
from tasks.verify.calibration import Calibration
from tasks.verify.evaluate import evaluate_files, load_named
from tasks.verify.load import load
from tasks.verify.parameters import ScoringParameters, VerifierSettings
from tasks.verify.protocol import ReadsTogether, Scores, Verifier, languages_of
from tasks.verify.risk import RiskParameters
from tasks.verify.scoring import score_frame
from tests.support.small_verifier import small_verifier

CALIBRATION = Calibration(0.5, -1.0, 2.0, 0.3)
CLAIMS = ["The plant has 92 reactors.", "It is blue.", "", "word " * 600]
PASSAGES = ["The plant has 92 reactors in service.", "It is not blue.", "Something.", "word"]
SMALL = small_verifier()


@dataclasses.dataclass
class Stub:
    """A verifier of three fixed rows, the last of which was not read."""

    name: str = "stub"
    fingerprint: str = "5" * 64
    usage: Any = None

    def score(self, claims: Any, passages: Any, progress: Any = None) -> Scores:
        p = np.array([[0.7, 0.1, 0.2], [0.2, 0.5, 0.3], [0.0, 0.0, 1.0]])[: len(claims)]
        seen = np.array([5, 5, 0], np.int32)[: len(claims)]
        return Scores(p, np.full(len(claims), 5, np.int32), seen, (seen > 0).astype(np.int32))


@pytest.fixture(scope="module")
def small() -> Verifier:
    return load(SMALL)


@pytest.fixture
def file(tmp_path: Path, small: Verifier) -> Path:
    calibration.write(tmp_path / "c.json", CALIBRATION, small, {"rows": 3})
    return tmp_path / "c.json"


def with_(file: Path) -> VerifierSettings:
    return replace(SMALL, calibration=str(file))


def test_scores_are_the_verifiers_own_calibrated_and_all_else_is_as_it_was(file, small):
    before, after = small.score(CLAIMS, PASSAGES), load(with_(file)).score(CLAIMS, PASSAGES)
    assert (after.probabilities == CALIBRATION.apply(before.probabilities)).all()
    assert (after.probabilities[0] != before.probabilities[0]).any()
    for name in ("tokens_offered", "tokens_seen", "windows"):
        assert (getattr(after, name) == getattr(before, name)).all()
    assert after.probabilities[2:].tolist() == [[0.0, 0.0, 1.0]] * 2


def test_what_was_not_read_stays_insufficient_and_counts_as_not_read():
    scores = calibration.CalibratedVerifier(Stub(), Calibration(20.0, 20.0)).score(["c"] * 3, ["p"] * 3)
    assert scores.probabilities[2].tolist() == [0.0, 0.0, 1.0]
    assert scores.is_read.tolist() == [True, True, False]
    assert (scores.probabilities[:2, 0] > 0.9).all()


def test_each_calibration_gives_the_verifier_another_name_and_the_same_one_the_same():
    def name_of(**change: float) -> str:
        return calibration.CalibratedVerifier(Stub(), dataclasses.replace(CALIBRATION, **change)).fingerprint

    names = [
        Stub.fingerprint,
        name_of(),
        *(name_of(**{field: 1.5}) for field in CALIBRATION.as_dict()),
        calibration.CalibratedVerifier(Stub(fingerprint="6" * 64), CALIBRATION).fingerprint,
    ]
    assert len(set(names)) == len(names)
    assert name_of() == name_of()


def test_a_calibrated_verifier_reads_passages_together_where_the_other_does(tmp_path, file, small):
    assert not isinstance(calibration.CalibratedVerifier(Stub(), CALIBRATION), ReadsTogether)
    default = load(VerifierSettings(), threads=1)
    calibration.write(tmp_path / "d.json", CALIBRATION, default, {})
    wrapped = load(VerifierSettings(calibration=str(tmp_path / "d.json")), threads=1)
    assert isinstance(default, ReadsTogether)
    assert isinstance(wrapped, ReadsTogether)
    claims, passages = pl.Series(CLAIMS[:2]), pl.Series(PASSAGES[:2])
    assert (wrapped.shared(claims, passages) == default.shared(claims, passages)).all()
    pairs = pl.DataFrame({"claim": [CLAIMS[0]], "evidence": [[PASSAGES[1], PASSAGES[0]]]})
    scored = score_frame(pairs, wrapped, policies.Policy())
    plain = score_frame(pairs, default, policies.Policy())
    assert scored["best_evidence"].to_list() == plain["best_evidence"].to_list() == [1]
    p = ["p_supported", "p_contradicted", "p_insufficient"]
    assert scored.select(p).to_numpy() == pytest.approx(
        CALIBRATION.apply(plain.select(p).to_numpy()), abs=1e-5
    )


def test_a_calibrated_verifier_reads_the_languages_that_the_other_reads():
    assert languages_of(calibration.CalibratedVerifier(Stub(), CALIBRATION)) is None

    class English(Stub):
        reads = frozenset({"en"})

    assert languages_of(calibration.CalibratedVerifier(English(), CALIBRATION)) == {"en"}


def test_what_a_remote_judge_cost_is_still_told():
    judge = calibration.CalibratedVerifier(Stub(usage={"requests": 3}), CALIBRATION)
    assert judge.usage == {"requests": 3}
    assert calibration.CalibratedVerifier(Stub(), CALIBRATION).usage is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory); `claimledger calibrate -o FILE` writes one"),
        (b"", "not JSON; run `claimledger calibrate` again"),
        (b"\xff\xfe{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a calibration, which has kind 'claimledger-calibration'"),
        (b'{"kind": "cross-encoder"}', "not a calibration"),
        (b'{"kind": "claimledger-calibration", "verifier": 3}', "verifier is not a fingerprint"),
        ({"temperature": float("nan")}, "temperature is nan, expected a number from 0.05 to 20.0"),
        ({"bias": None}, "bias is None, expected a number"),
        ({"verifier": "abc" + "0" * 61}, "calibrates the verifier abc000000000, the configured one is "),
        (b" " * (2**20 + 1), "larger than 1048576 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(file, small, content, said):
    if content is None:
        file.unlink()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(json.dumps(json.loads(file.read_text()) | content))
    with pytest.raises(ModelError) as caught:
        load(with_(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    if "configured one" in said:
        assert small.fingerprint[:12] in str(caught.value)


def test_a_path_that_no_system_takes_is_one_sentence():
    with pytest.raises(ModelError, match="holds a NUL"):
        load(with_(Path("a\x00b")))


def pairs_of(count: int) -> pl.DataFrame:
    rows = [
        {
            "claim": f"Item {i} is blue.",
            "evidence": [f"Item {i} is {'blue' if i % 3 else 'not blue'}.", f"It is item {i}."],
            "label": "supported" if i % 3 else "not_supported",
        }
        for i in range(count)
    ]
    return pl.DataFrame(rows)


def test_evaluate_is_of_the_calibrated_verifier_and_of_named_ones_without(tmp_path, file):
    pairs_of(12).write_parquet(tmp_path / "p.parquet")
    settings = ScoringParameters(verifier=with_(file))
    assert evaluate_files([tmp_path / "p.parquet"], settings)["verifier"].to_list() == ["small, calibrated"]
    assert [verifier.name for verifier in load_named([SMALL.model], settings)] == ["small"]


def test_scores_hold_no_text_and_lines_that_are_no_pairs_are_counted(tmp_path, small):
    pairs_of(30).write_ndjson(tmp_path / "p.jsonl")
    with (tmp_path / "p.jsonl").open("a") as stream:
        stream.write("{broken\n")
    scored, refused = scores_of_files([tmp_path / "p.jsonl"], small, 2**20)
    assert (scored.height, refused) == (30, 1)
    assert scored.columns == [
        "dataset",
        "label",
        "weight",
        "agent",
        "use_case",
        "evidence",
        "p_supported",
        "p_contradicted",
        "p_insufficient",
    ]
    assert set(scored["weight"]) == {1.0}
    assert not scored["evidence"].str.contains("blue").any()


def scored(labels: list[str], evidence: list[str] | None = None, p: float = 0.6) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "dataset": "d",
            "label": labels,
            "evidence": evidence or [str(i) for i in range(len(labels))],
            "p_supported": p,
            "p_contradicted": 0.0,
            "p_insufficient": 1.0 - p,
        }
    )


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (
            scored(["supported", "contradicted"] * 9),
            "calibration needs 20 labelled pairs or more, and there are 18",
        ),
        (scored(["supported"] * 30), "all 30 pairs are supported; calibration needs"),
        (scored(["contradicted", "insufficient", "not_supported"] * 10), "all 30 pairs are not supported"),
        (scored(["supported", "not_supported"] * 15, ["same"] * 30), "all 30 pairs have the same evidence"),
        (scored(["supported", "not_supported"] * 15, p=0.0), "the verifier read none of the 30 pairs"),
    ],
)
def test_pairs_that_do_not_suffice_are_refused_in_words(frame, said):
    with pytest.raises(InputError) as caught:
        calibrate(frame, RiskParameters())
    assert said in str(caught.value)


def test_a_report_says_before_and_after_by_data_set_and_for_all():
    random = np.random.default_rng(1)
    said = random.beta(0.7, 0.7, 2000)
    right = random.random(2000) < said**3
    frame = scored(["supported" if r else "not_supported" for r in right]).with_columns(
        dataset=pl.Series(["one", "two"] * 1000),
        p_supported=pl.Series(said),
        p_insufficient=pl.Series(1 - said),
    )
    found = calibrate(frame, RiskParameters(risk=0.2))
    assert found.figures["dataset"].to_list() == ["one", "two", "all"]
    assert found.figures["rows"].to_list() == [1000, 1000, 2000]
    for name in ("calibration_error", "brier", "log_loss", "balanced_accuracy"):
        assert {f"{name}_before", f"{name}_after"} <= set(found.figures.columns)
    whole = found.figures.row(2, named=True)
    assert whole["calibration_error_before"] > 0.1
    assert whole["calibration_error_after"] < 0.04
    assert whole["brier_after"] < whole["brier_before"]
    assert whole["log_loss_after"] < whole["log_loss_before"]
    assert set(found.thresholds) == {"supported"}
    assert found.thresholds["supported"].rows == 2000 - found.fitted_rows == 1000
    again = calibrate(frame.sample(fraction=1.0, shuffle=True, seed=2), RiskParameters(risk=0.2))
    assert dataclasses.astuple(again.calibration) == pytest.approx(
        dataclasses.astuple(found.calibration), rel=1e-4
    )
    assert again.thresholds == found.thresholds


def test_a_report_of_very_many_data_sets_stays_a_page(tmp_path, small):
    frame = scored(["supported", "not_supported", "supported"] * 100).with_columns(
        dataset=pl.Series([f"{i} is a {'long ' * 100} name" if i > 50 else "first" for i in range(300)])
    )
    figures = calibrate(frame, RiskParameters()).figures
    assert figures.height == 22
    assert figures["dataset"][0] == "first"
    assert figures["dataset"].to_list()[-2:] == ["others", "all"]
    assert figures["dataset"].str.len_chars().max() == 100
    assert figures["rows"][:-1].sum() == figures["rows"][-1] == 300


def test_the_calibration_is_fitted_on_one_half_and_thresholds_come_from_the_other():
    """Labels of the tested half are turned round: the calibration stays, the threshold goes."""
    from tasks.verify.calibrate import parts

    random = np.random.default_rng(2)
    said = random.beta(3, 1, 1200)
    frame = scored(
        ["supported" if r else "not_supported" for r in random.random(1200) < said**0.1]
    ).with_columns(p_supported=pl.Series(said), p_insufficient=pl.Series(1 - said))
    tested = parts(frame["evidence"], 2, 7) == 1
    lied = frame.with_columns(
        label=pl.when(pl.Series(tested)).then(pl.lit("not_supported")).otherwise("label")
    )
    honest, told = calibrate(frame, RiskParameters()), calibrate(lied, RiskParameters())
    assert honest.calibration == told.calibration
    assert honest.thresholds["supported"].threshold is not None
    assert told.thresholds["supported"].threshold is None


def test_a_contradicted_threshold_needs_contradicted_labels_and_counts_doubt_against_itself():
    random = np.random.default_rng(3)
    said = random.beta(3, 1, 1200)
    labels = ["contradicted" if r else "supported" for r in random.random(1200) < said**0.1]
    frame = scored(labels).with_columns(
        p_supported=pl.Series((1 - said) / 2),
        p_contradicted=pl.Series(said),
        p_insufficient=pl.Series((1 - said) / 2),
    )
    found = calibrate(frame, RiskParameters(risk=0.1))
    assert found.thresholds["contradicted"].threshold is not None
    doubtful = frame.with_columns(
        label=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("not_supported")).otherwise("label")
    )
    assert calibrate(doubtful, RiskParameters(risk=0.1)).thresholds["contradicted"].threshold is None
