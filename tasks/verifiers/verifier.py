"""The verifier behind one small Protocol: (claims, passages) in, probabilities (n, 3) out.

Belongs here: the Protocol, its result, and which implementation a setting means. Does not belong here:
how one computes (`features.py`, `classifiers.py`) or what follows from the scores (`pure/verdicts.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from tasks.pure.errors import ModelError

if TYPE_CHECKING:
    import polars as pl

    from tasks.evidence.models import Embedder
    from tasks.settings import VerifierSettings

LABELS = ("supported", "contradicted", "insufficient")
"""Order of the columns of `Scores.probabilities`, everywhere."""

DEFAULT_ARTEFACT = "minilm-l6-claims"
"""Folder of `data/models` that `model = "default"` means."""

MANIFEST = "claimledger.json"
"""File that makes a folder one of our own artefacts: {"kind": …, "files": {name: sha256}}."""

MAX_MANIFEST_BYTES = 2**20
"""A manifest is a page of JSON; anything larger is not one and is not parsed."""


@dataclass(frozen=True)
class Scores:
    """Scores of n pairs, in the order they were given.

    `tokens_seen < tokens_offered` exactly where a pair did not fit; its probabilities are (0, 0, 1) and its
    `windows` is 0.
    """

    probabilities: np.ndarray
    """(n, 3) float64: supported, contradicted, insufficient; every row sums to 1."""
    tokens_offered: np.ndarray
    """(n,) int32: tokens of claim and passage, without the model's own special tokens."""
    tokens_seen: np.ndarray
    """(n,) int32: tokens that were read in at least one window."""
    windows: np.ndarray
    """(n,) int32: windows the pair was read in; 1, with `tokens_seen` 0, where a remote judge was asked and
    gave no usable answer."""

    @property
    def is_read(self) -> np.ndarray:
        """(n,) bool: the pair was judged, whatever came out."""
        return (self.windows > 0) & (self.tokens_seen >= self.tokens_offered)

    @property
    def is_unanswered(self) -> np.ndarray:
        """(n,) bool: a remote judge was asked and gave no usable answer."""
        unanswered: np.ndarray = (self.windows > 0) & ~self.is_read
        return unanswered


class Verifier(Protocol):
    """Turns pairs into calibrated probabilities; deterministic, independent of batch size and order."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 over weights, settings that change a score, and calibration."""
        ...

    def score(
        self,
        claims: Sequence[str],
        passages: Sequence[str],
        progress: Callable[[int], None] | None = None,
    ) -> Scores:
        """Scores pair i of `claims[i]` and `passages[i]`; `progress` gets numbers of pairs newly done."""
        ...


@runtime_checkable
class ReadsTogether(Protocol):
    """A verifier that judges several passages of one claim better as one text than one by one."""

    def shared(self, claims: pl.Series, passages: pl.Series) -> np.ndarray:
        """(n,) in [0, 1]: how much each passage shares with its claim."""
        ...


def load(settings: VerifierSettings, *, threads: int = 0, embedder: Embedder | None = None) -> Verifier:
    """The verifier that the settings name: an embedded artefact, a local folder or a hub id.

    `default` and the names of folders in `data/models` are embedded artefacts. A folder with a
    `claimledger.json` is an artefact of our own making (`claimledger train`); any other folder or id is a
    Hugging Face sequence-pair classifier. `threads` 0 leaves the choice to the library; `embedder` is used
    where the artefact was fitted with that one, so that its cache serves both. Where the settings name a
    calibration, the verifier gives calibrated probabilities under a fingerprint of its own.

    Raises:
        ModelError: missing, changed, malformed or unsafe model, or a calibration that is not its own.
    """
    verifier = _load(settings, threads, embedder)
    if not settings.calibration:
        return verifier
    from tasks.verifiers.calibrated import calibrated

    return calibrated(verifier, Path(settings.calibration))


def _load(settings: VerifierSettings, threads: int, embedder: Embedder | None) -> Verifier:
    if settings.backend == "endpoint":
        from tasks.verifiers.endpoint import load_endpoint

        return load_endpoint(settings)
    folder = resolve(settings.model)
    if folder is None or not (folder / MANIFEST).is_file():
        from tasks.verifiers.classifiers import load_classifier

        return load_classifier(settings, threads=threads)
    manifest = read_manifest(folder)
    kind = manifest["kind"]
    if kind == "features":
        from tasks.verifiers.features import load_features

        return load_features(folder, manifest, settings, threads=threads, embedder=embedder)
    if kind == "cross-encoder":
        from tasks.verifiers.classifiers import load_artefact

        return load_artefact(folder, manifest, settings, threads=threads)
    if kind == "fused-cross-encoder":
        from tasks.verifiers.crossencoder import load_cross_encoder

        return load_cross_encoder(folder, manifest, settings, threads=threads)
    raise ModelError(
        f"{folder / MANIFEST}: kind {str(kind)[:40]!r} is unknown, expected features, cross-encoder or"
        " fused-cross-encoder"
    )


def embedded_models() -> Path:
    """Folder of the artefacts that ship with the project."""
    return Path(str(files("tasks"))).parent / "data" / "models"


def resolve(model: str) -> Path | None:
    """Local folder that a model setting means; None for a hub id."""
    if not model or "\x00" in model:
        raise ModelError("verifier.model is empty or holds a NUL; name a folder, a hub id or 'default'")
    if model == "default":
        return embedded_models() / DEFAULT_ARTEFACT
    if "/" not in model and (embedded_models() / model / MANIFEST).is_file():
        return embedded_models() / model
    path = Path(model).expanduser()
    return path if path.is_dir() else None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The artefact's manifest, after every file it names was found to have the recorded SHA-256.

    Raises:
        ModelError: malformed manifest, missing file, changed bytes (names the file, expected and got).
    """
    file = folder / MANIFEST
    try:
        if file.stat().st_size > MAX_MANIFEST_BYTES:
            raise ModelError(f"{file}: larger than {MAX_MANIFEST_BYTES} bytes, so not a manifest")
        manifest: dict[str, Any] = json.loads(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ModelError(f"{file}: not JSON; train the artefact again") from None
    recorded = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(recorded, dict) or not recorded or not isinstance(manifest.get("kind"), str):
        raise ModelError(f"{file}: expected an object with `kind` and `files`; train the artefact again")
    check_digests(folder, recorded)
    return manifest


def check_digests(folder: Path, recorded: Mapping[str, Any]) -> None:
    """Raises ModelError where a recorded file is missing, outside the folder or has other bytes."""
    for name, expected in recorded.items():
        if Path(name).name != name:
            raise ModelError(f"{folder / MANIFEST}: {name!r} is not a plain file name")
        try:
            with (folder / name).open("rb") as stream:
                got = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{folder / name}: cannot be read ({error.strerror})") from None
        if got != expected:
            raise ModelError(
                f"{folder / name}: SHA-256 is {got[:12]}…, the manifest records {str(expected)[:12]}…;"
                " the file was changed, restore or train it again"
            )


def write_manifest(folder: Path, kind: str, names: Sequence[str], **more: Any) -> None:
    """Records the SHA-256 of the named files beside them; written last, so a torn artefact never loads."""
    digests = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in sorted(names)}
    text = json.dumps({"kind": kind, "files": digests, **more}, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, "utf-8")


def fingerprint(**parts: Any) -> str:
    """Hex SHA-256 over named parts, as canonical JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def empty_scores(count: int) -> Scores:
    """Scores of pairs that nothing was read of: certainly insufficient, no tokens, no windows."""
    probabilities = np.zeros((count, 3))
    probabilities[:, 2] = 1.0
    zeros = np.zeros(count, np.int32)
    return Scores(probabilities, zeros, zeros.copy(), zeros.copy())


def score_distinct(
    claims: Sequence[str],
    passages: Sequence[str],
    score: Callable[[pl.Series, pl.Series], Scores],
    *,
    chunk_pairs: int,
    progress: Callable[[int], None] | None = None,
) -> Scores:
    """Scores pairs in the order given, where `score` is asked once for equal pairs, chunk by chunk.

    Args:
        score: claims and passages of at most `chunk_pairs` distinct pairs to their scores.
        progress: gets numbers of given pairs newly done.
    """
    import polars as pl

    frame = pl.DataFrame(
        {"claim": list(claims), "passage": list(passages)}, schema={"claim": pl.String, "passage": pl.String}
    )
    distinct = frame.unique(maintain_order=True).with_row_index("at")
    joined = frame.join(distinct, on=["claim", "passage"], how="left", maintain_order="left")
    place = joined["at"].to_numpy()
    repeats = np.bincount(place, minlength=distinct.height)
    parts = []
    for chunk in distinct.iter_slices(chunk_pairs):
        parts.append(score(chunk["claim"], chunk["passage"]))
        if progress:
            progress(int(repeats[chunk["at"].to_numpy()].sum()))
    if not parts:
        return empty_scores(0)
    names = ("probabilities", "tokens_offered", "tokens_seen", "windows")
    return Scores(*(np.concatenate([getattr(part, name) for part in parts])[place] for name in names))
