"""Outputs into claims, passages and findings, or those that earlier runs extracted."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from tasks import tables
from tasks.claims import claims as claims_stage
from tasks.evidence import look_up
from tasks.evidence import passages as passages_stage
from tasks.judge.job import Job, Material
from tasks.judge.published import published_claims
from tasks.privacy import addressing, confidential, names, redaction
from tasks.sources import covering


def extract(outputs: pl.DataFrame, job: Job) -> Material:
    """Claims, passages and findings of outputs (OUTPUTS frame) as the present rules extract them."""
    settings = job.bench.parameters
    outputs, covered = covering.parted(outputs, run_id=job.run_id, now=job.now)
    outputs = job.gate.check("outputs", outputs)
    extracted = claims_stage.extract(
        outputs, job.bench.segment, settings.extract, run_id=job.run_id, now=job.now
    )
    claims = job.gate.check("claims", extracted.claims, extracted.quarantine)
    passages = _passages(outputs, job)
    if covered is None:
        findings = confidential.scan(outputs, settings.privacy.active, run_id=job.run_id, now=job.now)
    else:
        findings = covered.join(outputs, on="output_id", how="semi", maintain_order="left")
    addresses = addressing.scan(outputs, run_id=job.run_id, now=job.now)
    found = [findings, addresses]
    if settings.privacy.enabled:
        found.append(redaction.scan(outputs, run_id=job.run_id, now=job.now))
    if settings.privacy.enabled and settings.privacy.names_model:
        recogniser = names.load(settings.privacy.names_model)
        minimum = settings.privacy.names_minimum
        found.append(names.scan(outputs, recogniser, minimum, run_id=job.run_id, now=job.now))
    material = Material(outputs, claims, passages, addresses, pl.concat(found))
    return _with_lookups(material, job)


def extracted_before(outputs: pl.DataFrame, job: Job) -> Material:
    """The claims that earlier runs extracted from the outputs; their findings are published already."""
    outputs = job.gate.check("outputs", outputs)
    claims = job.gate.check("claims", published_claims(job.bench.lake, outputs))
    addresses = addressing.scan(outputs, run_id=job.run_id, now=job.now)
    material = Material(outputs, claims, _passages(outputs, job), addresses, tables.FINDINGS.empty())
    return _with_lookups(material, job)


def _with_lookups(material: Material, job: Job) -> Material:
    """The material with the corpus's passages of documents that its outputs name without text."""
    addressed = look_up.addresses(material.outputs)
    if addressed.is_empty():
        return material
    if job.corpus is None or job.corpus.size == 0:
        passages = look_up.NAMED.to_frame().drop("output_id")
    else:
        passages = job.corpus.of_documents(addressed)
    return replace(
        material,
        named=look_up.named(addressed, passages),
        lookups=look_up.counts(addressed, passages),
    )


def _passages(outputs: pl.DataFrame, job: Job) -> pl.DataFrame:
    cut = job.bench.parameters.corpus.passages
    passages = passages_stage.from_contexts(outputs, job.bench.segment, cut, run_id=job.run_id)
    return job.gate.check("passages", passages)
