"""What judges a claim against its passages, and how it is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from tasks.decide.policies import Policy
from tasks.knobs import Example, Section


@dataclass(frozen=True, kw_only=True)
class EndpointSettings(Section):
    """A judge behind an OpenAI-compatible endpoint. Its key is CLAIMLEDGER_JUDGE_KEY of the environment."""

    url: Annotated[str, MinLen(1), MaxLen(2000), Example("https://judge.example.com/v1")]
    """Up to and without /chat/completions; https, or http on this machine."""
    concurrency: Annotated[int, Ge(1), Le(64)] = 4
    """Concurrent requests."""
    requests_per_minute: Annotated[float, Ge(0.0)] = 0.0
    """0 means no limit."""
    timeout_s: Annotated[float, Gt(0.0), Le(600.0)] = 60.0
    """Of one request, from sending to its last byte."""
    attempts: Annotated[int, Ge(1), Le(20)] = 5
    """For 429, 5xx and broken connections; then the call fails and nothing is decided."""
    pause_scale: Annotated[float, Ge(0.0), Le(60.0)] = 1.0
    """Factor of the pauses between attempts, Retry-After among them."""
    max_output_tokens: Annotated[int, Ge(16), Le(4096)] = 64
    """Three numbers need some 40; a judge that thinks first needs more."""
    tolerated_unanswered_ratio: Annotated[float, Ge(0.0), Le(1.0)] = 0.05
    """Pairs without a usable answer are insufficient; a larger share of a call fails it."""
    price_per_million_input: Annotated[float, Ge(0.0)] = 0.0
    """Of tokens read, in any currency: only for the cost that is reported."""
    price_per_million_output: Annotated[float, Ge(0.0)] = 0.0
    """Of tokens written."""
    max_cost_per_run: Annotated[float, Ge(0.0)] = 0.0
    """An audit or backfill starts nothing that would exceed this at these prices; 0 means no limit."""
    batch: Literal["none", "openai", "anthropic"] = "none"
    """Whose batch interface audits and backfills ask through: one night submits, a later one collects.
    openai: /files and /batches of this url, as others offer them too. anthropic: /messages/batches."""
    batch_requests: Annotated[int, Ge(1), Le(50_000)] = 10_000
    """Most requests in one batch."""
    batch_price_ratio: Annotated[float, Ge(0.0), Le(1.0)] = 0.5
    """Price of a batch token as a share of the prices above."""


@dataclass(frozen=True, kw_only=True)
class VerifierSettings(Section):
    """What judges a claim against its passages."""

    model: str = "default"
    """The embedded default, or a local path or hub id of a sequence-pair classifier."""
    calibration: Annotated[str, MaxLen(2000), Example("calibration.json")] = ""
    """File of `claimledger calibrate`, relative to the configuration file; empty is none. Its parameters
    are part of the verifier's fingerprint."""
    max_tokens: Annotated[int, Ge(16)] = 512
    """Longest window; never above what the model itself takes."""
    batch_tokens: Annotated[int, Ge(64)] = 8192
    """Token budget of a batch: the product of its rows and its longest row."""
    max_windows: Annotated[int, Ge(1)] = 64
    """Windows per pair; what needs more is insufficient with reason input_too_long."""
    overlap_tokens: Annotated[int, Ge(0)] = 64
    """Tokens that neighbouring windows share: two sentences, so that a fact at a seam is whole in one."""
    premise: Literal["evidence", "claim"] = "evidence"
    """Which text a foreign classifier reads first; natural language inference puts the evidence first."""
    dtype: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    """Precision of the forward passes. auto: the embedded network in int8 where the processor has AVX2 or
    newer; others, and elsewhere, in bfloat16 where the processor has it, else in float32. It is part of the
    verifier's fingerprint. int8 is the same arithmetic on all of these processors."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where torch finds one."""
    backend: Literal["auto", "torch", "onnx", "openvino", "endpoint"] = "auto"
    """What runs a foreign classifier. auto: torch where it has safetensors, else the ONNX or OpenVINO
    file that it has."""
    weights_file: Annotated[str, MaxLen(200), Example("onnx/model_O3.onnx")] = ""
    """Of several ONNX or OpenVINO files of a model, the one to load, such as onnx/model_O3.onnx."""
    endpoint: EndpointSettings | None = None
    """Where backend is endpoint; `model` is then the name that the endpoint knows."""


@dataclass(frozen=True, kw_only=True)
class ScoringParameters:
    """What the verifier alone takes, to score files of pairs."""

    verifier: VerifierSettings = VerifierSettings()
    policy: Policy = Policy()
    threads: int = 0
    """Threads of the models; 0 is one per core."""
    max_record_bytes: int = 16 * 2**20
