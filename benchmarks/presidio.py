"""Presidio's recognisers on texts of a file: the peer of `benchmarks/privacy.py`, in its own environment.

    PYTHON benchmarks/presidio.py TEXTS.parquet FINDINGS.parquet

PYTHON is of an environment with presidio-analyzer and polars; spaCy's blank English pipeline cuts tokens, as
patterns need no model. `text` in; `row`, `kind`, `start`, `end` out; the seconds of processor time are
printed. One text at a time, as `AnalyzerEngine.analyze` is documented.
"""

from __future__ import annotations

import sys
import time

import polars as pl
import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer import predefined_recognizers as every
from presidio_analyzer.nlp_engine import SpacyNlpEngine

KINDS = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "credit_card",
    "IBAN_CODE": "iban",
    "US_SSN": "ssn",
    "IP_ADDRESS": "ip_address",
    "PL_PESEL": "national_id",
    "UK_NHS": "national_id",
    "ES_NIF": "national_id",
}
RECOGNISERS = [
    every.EmailRecognizer,
    every.PhoneRecognizer,
    every.CreditCardRecognizer,
    every.IbanRecognizer,
    every.UsSsnRecognizer,
    every.IpRecognizer,
    every.PlPeselRecognizer,
    every.NhsRecognizer,
    every.EsNifRecognizer,
]


class Blank(SpacyNlpEngine):
    """Tokens only."""

    def __init__(self) -> None:
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}


def main(texts: str, findings: str) -> None:
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=())  # without the network
    registry = RecognizerRegistry(supported_languages=["en"])
    for recogniser in RECOGNISERS:
        registry.add_recognizer(recogniser(supported_language="en"))
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
    engine.analyze("Call 415-555-2671.", "en")
    rows = []
    started = time.process_time()
    for row, text in enumerate(pl.read_parquet(texts)["text"]):
        rows += [
            (row, KINDS[one.entity_type], one.start, one.end)
            for one in engine.analyze(text, "en", entities=list(KINDS))
        ]
    print(time.process_time() - started)
    schema = {"row": pl.Int64, "kind": pl.String, "start": pl.Int64, "end": pl.Int64}
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(findings)


if __name__ == "__main__":
    main(*sys.argv[1:])
