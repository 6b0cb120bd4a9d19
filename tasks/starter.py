"""What `claimledger init` writes: a commented configuration, a policy file and a sample to start from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.errors import ConfigError, InputError

POLICY = """# A policy: written thresholds and actions. Raise `version` whenever you change a value;
# both go into every verdict, so that an auditor can tell which rule decided.
name = "default"
version = "1"
use_cases = ["*"]                 # the use cases it decides; "*" is every one that no other policy names
threshold_supported = 0.5         # probability, 0 to 1: supported at or above it
threshold_contradicted = 0.5      # probability, 0 to 1: contradicted at or above it
minimum_evidence = 1              # passages; fewer is insufficient whatever the scores say
on_conflict = "insufficient"      # one passage for and one against: supported, contradicted or insufficient
when_supported = "delivered"      # actions: delivered, rephrased or escalated
when_insufficient = "rephrased"
when_contradicted = "escalated"
tolerated_insufficient_ratio = 0.0  # share of an output's claims that may be unsettled
when_answer_addresses_judge = "escalated"    # at least this where an answer tells its verifier what to say
when_evidence_addresses_judge = "escalated"  # and where evidence does; "delivered" asks for nothing
"""

CONFIG = """# claimledger's configuration. Every key can be overridden by environment, for example
# CLAIMLEDGER__VERIFIER__MODEL=models/mine. Relative paths are relative to this file.

lake = "lake"                     # folder that holds every table, report and index

# One block per place that agent outputs come from.
[[sources]]
name = {name}
kind = "files"                    # JSON Lines (also .gz, .zst), JSON, CSV or Parquet
path = {path}
format = "auto"                   # auto, jsonl, json, csv or parquet
# agent = "support-bot"           # constants, where the records themselves do not say
# model = "some-model"
# use_case = "support"
# produced_at = "2026-11-01T00:00:00Z"
# time_zone = "UTC"               # says that times without a zone are UTC; without it they are refused

# Where a record keeps each thing: dotted paths into nested records. Only `response` is required.
[sources.fields]
{fields}

[corpus]                          # your own documents; optional
name = "corpus"
# path = "docs"                   # folder, file or glob: text, Markdown, HTML, PDF, Parquet, JSON Lines
text_field = "text"               # column or key of a document's text in Parquet and JSON Lines
uri_field = "uri"                 # and of its address

[corpus.passages]
target_characters = 700           # characters: a passage grows by whole sentences up to this
overlap_sentences = 1             # sentences shared by neighbouring passages

[extract]
minimum_characters = 3            # characters: shorter pieces are no claims
maximum_claims = 2000             # claims of one output; what is beyond goes to quarantine by name

[retrieve]
model = "all-MiniLM-L6-v2"        # the embedded default, or a local path or hub id (sentence-transformers)
dtype = "auto"                    # the fastest that this machine computes; or float32, bfloat16

[retrieve.parameters]
passages_per_claim = 4            # passages shown to the verifier per claim
candidates = 20                   # depth of the dense and of the lexical ranking
rrf_k = 60                        # constant of reciprocal rank fusion
minimum_similarity = 0.0          # cosine; dense hits below it are no candidates

[verifier]
model = "default"                 # the embedded default, or a local path or hub id of a pair classifier
# calibration = "calibration.json"           # what `claimledger calibrate` fitted to your reviews
max_tokens = 512                  # tokens of the longest window; never above what the model takes
batch_tokens = 8192               # tokens of a batch, padding included: bounds memory
max_windows = 64                  # windows per pair; what needs more is insufficient (input_too_long)
overlap_tokens = 64               # tokens that neighbouring windows share, so that no fact is cut at a seam
premise = "evidence"              # what a classifier of your own reads first: evidence or claim
dtype = "auto"                    # the fastest that this machine computes; or float32, bfloat16, int8
device = "auto"                   # a GPU where there is one; or cpu, cuda
backend = "auto"                  # what runs a classifier of your own; or torch, onnx, openvino, endpoint
# weights_file = "onnx/model_O3.onnx"        # of several ONNX or OpenVINO files, the one to load
# [verifier.endpoint]             # with backend "endpoint"; its key is CLAIMLEDGER_JUDGE_KEY (environment)
# url = "https://judge.example.com/v1"       # OpenAI-compatible; `model` above is the name it knows
# concurrency = 4                 # requests under way at the same time
# requests_per_minute = 0         # 0 is without limit
# timeout_s = 60                  # of one request
# attempts = 5                    # for 429, 5xx and broken connections; then nothing is decided
# pause_scale = 1                 # factor of the pauses between attempts
# max_output_tokens = 64          # more for a judge that thinks first
# tolerated_unanswered_ratio = 0.05          # more pairs without a usable answer fail the run
# price_per_million_input = 0     # of tokens: only for the cost that is reported
# price_per_million_output = 0

[[policies]]
file = "policies/default.toml"

[reaudit]                         # for `claimledger reaudit`
# [[reaudit.earlier_verifiers]]   # an old verifier that moved: without it, fewer causes can be told apart
# model = "models/of-last-year"

[reaudit.sample]
size = 400                        # claims judged again
minimum_per_stratum = 5           # claims of every stratum, or all that it has
strata = ["agent", "use_case"]    # beside the verdict: agent, model, use_case, source

[privacy]
enabled = true
detectors = ["email", "phone", "credit_card", "iban", "ssn", "ip_address", "secret"]

[validation]
data_docs = true                  # keep Great Expectations' own pages beside the report
maximum_quarantine_ratio = 0.5    # share of a table's rows that may be refused before the run fails
# suites = "expectations"         # folder of your own suites for Great Expectations: verdicts.json, ...

[drift]                           # what changed against earlier days
enabled = true                    # whether the nightly audit ends with it
notify_variable = "CLAIMLEDGER_NOTIFY"   # environment variable with apprise URLs, which hold secrets
# link = "https://audits.example/reports"  # where people reach LAKE/reports

[drift.parameters]
baseline = "rolling"              # rolling, fixed (baseline_from, baseline_to) or release
baseline_days = 28                # days of a rolling baseline: four of each weekday
# baseline_from = 2026-10-01      # days of a fixed baseline, both included
# baseline_to = 2026-10-28
# baseline_release = "model=gpt-4"  # COLUMN=VALUE: the days on which it answered or judged
window_days = 2                   # newest nights that are compared with the baseline
change_days = 60                  # days in which the beginning of a change is looked for
minimum_baseline_days = 10        # days with rows; fewer is too few
minimum_units = 100               # claims, outputs or reviews in the window; fewer is too few
minimum_outputs = 20              # outputs in the window; fewer is too few
false_discovery_rate = 0.1        # share of drifted rows that may be chance
slices = ["agent", "model", "use_case", "source"]
pairs = true                      # whether pairs of these are slices too
# weight = "sampling_weight"      # key of the outputs' metadata that holds their sampling weight
# thresholds = {{ supported_share = 0.03 }}  # smallest difference that matters, in place of the built-in ones

[[drift.alarms]]                  # what raises an alarm; all conditions together
metric = "supported_share"        # a metric, or *
slice = "*"                       # pattern: all, agent=*, *model=gpt-4*
direction = "worse"               # worse, up, down or any
size = 0.0                        # smallest difference in the metric's unit
nights = 1                        # nights in a row

[[drift.alarms]]
metric = "contradicted_share"

[ledger]                          # the signed log of everything above
# origin = "example.com/audits"   # unique name of the log; a random one when left out
# key_folder = "~/.config/claimledger/keys"   # private keys: outside the lake, never in git
# key_file = "/secure/ledger.key" # the signing key, when it stands elsewhere
# signer = ["kms-sign", "--key", "ledger"]    # or a command: message in, Ed25519 signature out
# signer_key = "NAME+ID+KEY"      # public key of that command
# timestamp_url = "https://tsa.example"    # RFC 3161: stamps every checkpoint that a run ends with
# timestamp_roots = "tsa-roots.pem"        # the authority's root certificates
# [[ledger.witnesses]]            # where checkpoints go: a place the owner does not control alone
# name = "security-team"
# kind = "folder"                 # or git, bucket (S3 API), endpoint (takes PUT), http (C2SP witness)
# path = "/mnt/retained/checkpoints"       # folder, repository (pushed to its upstream), or BUCKET/PREFIX
# url = "https://witness.example" # for http (`claimledger ledger witness` runs one), bucket and endpoint
# key = "NAME+ID+KEY"             # public key of an http witness
# region = "us-east-1"            # of a bucket; credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
# retention_days = 365            # object lock of a bucket: nobody can delete a checkpoint before
# token_variable = "CHECKPOINT_TOKEN"      # environment variable with an endpoint's bearer token

[schedule]                        # for `claimledger deploy` and `claimledger serve`
cron = "0 3 * * *"
timezone = "UTC"
# work_pool = "claimledger"

[runner]
unit_outputs = 500                # outputs judged and committed at a time: bounds memory
retries = 2                       # attempts after the first where the world is touched
threads = 0                       # threads of the models; 0 is one per core

[limits]                          # budgets that bound what one hostile file can cost
max_record_bytes = 16777216       # bytes of one record
max_file_bytes = 4294967296       # bytes of one file after decompression
max_columns = 2000
max_depth = 200                   # nesting of JSON
"""

SAMPLE_FIELDS = {
    "id": "trace.id",
    "produced_at": "timestamp",
    "prompt": "input.question",
    "response": "output.text",
    "agent": "agent",
    "model": "model",
    "use_case": "use_case",
    "contexts": "retrieval.documents",
    "context_text": "content",
    "context_uri": "source",
}

OTHER_FIELDS = {
    "id": ("trace.id", "without it, the digest of the record's content"),
    "produced_at": ("timestamp", "when the answer was given"),
    "prompt": ("input.question", "what was asked"),
    "response": ("output.text", "the answer"),
    "agent": ("agent", "which agent answered"),
    "model": ("model", "with which model"),
    "use_case": ("use_case", "which the policies go by"),
    "session_id": ("session.id", "the conversation that the answer belongs to"),
    "contexts": ("retrieval.documents", "what the agent read: strings, or records of the next two keys"),
    "context_text": ("content", "key of the text in such a record"),
    "context_uri": ("source", "and of its address"),
    "tools": ("tools", "tool calls, kept as they are"),
    "metadata": ("metadata", "anything else to keep"),
}
"""Examples of what a mapping may name, with what each is for."""

_PLANT = (
    "The Harwick plant has 92 reactors in service. It was opened in 1987 by the Harwick Water Board. "
    "The plant treats 40 million litres of water a day."
)
_RETURNS = (
    "Customers may return unused goods within 30 days of delivery. Refunds are paid to the original card "
    "within 5 working days. Opened software cannot be returned."
)
SAMPLE = (
    (
        "a1",
        "How many reactors does Harwick have?",
        "The Harwick plant has 92 reactors. It opened in 1987.",
        _PLANT,
    ),
    ("a2", "How many reactors does Harwick have?", "The Harwick plant has 94 reactors in service.", _PLANT),
    ("a3", "Who runs Harwick?", "The plant is run by a company based in Boston.", _PLANT),
    (
        "a4",
        "How long may I return goods?",
        "You may return unused goods within 30 days of delivery.",
        _RETURNS,
    ),
    ("a5", "Can I return software?", "Opened software can be returned within 30 days.", _RETURNS),
)


def write_starter(directory: Path, *, from_source: str | None, path: str | None) -> dict[str, Any]:
    """Writes claimledger.toml, policies/default.toml and, without a source, a sample of five answers.

    Raises:
        ConfigError: a file is there already; nothing is overwritten.
        InputError: the kind of source is unknown, or it is missing or cannot be sampled.
    """
    notes: list[str] = []
    if from_source is None:
        name, source_path, fields = "sample", "sample/*.jsonl", SAMPLE_FIELDS
    else:
        if from_source != "files":
            raise InputError(f"--from-source {from_source}: unknown kind of source, expected files")
        if not path:
            raise InputError("--from-source files needs --path: a file, folder or glob to sample")
        from tasks.sources.files import propose

        proposal = propose(path)
        name, source_path = "exports", _text(str(Path(path).absolute()))
        fields = {k: v for k, v in asdict(proposal.fields).items() if v is not None}
        if "contexts" not in fields:
            fields = {k: v for k, v in fields.items() if not k.startswith("context_")}
        notes = [*(f"proposed: {key} = {where}" for key, where in fields.items()), *proposal.sentences]
    wanted = {
        directory / "claimledger.toml": CONFIG.format(
            name=_toml(name),
            path=_toml(source_path),
            fields=_mapping(fields),
        ),
        directory / "policies" / "default.toml": POLICY,
    }
    if from_source is None:
        wanted[directory / "sample" / "outputs.jsonl"] = _sample_lines()
    for file in wanted:
        if file.exists():
            raise ConfigError(f"{file} is there already; choose another folder or move it away")
    for file, text in wanted.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return {"files": [str(file) for file in wanted], "notes": notes}


def _text(path: str) -> str:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"--path {path}: not a UTF-8 name, which TOML cannot hold; rename it") from None
    return path


def _mapping(fields: dict[str, str]) -> str:
    """The keys that were found, and the others as comments, so that the file names every one."""
    lines = [f"{key} = {_toml(path)}" for key, path in fields.items()]
    lines += [
        f"{f'# {key} = {_toml(path)}':<33} # {what}"
        for key, (path, what) in OTHER_FIELDS.items()
        if key not in fields
    ]
    return "\n".join(lines)


def _toml(value: str) -> str:
    """A basic string: JSON's escapes are TOML's, which also forbids DEL as it stands."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _sample_lines() -> str:
    records = (
        {
            "trace": {"id": identity},
            "timestamp": f"2026-11-{day:02d}T09:00:00Z",
            "agent": "help-desk",
            "model": "example-model",
            "use_case": "support",
            "input": {"question": question},
            "output": {"text": answer},
            "retrieval": {"documents": [{"content": document, "source": "kb://sample"}]},
        }
        for day, (identity, question, answer, document) in enumerate(SAMPLE, start=1)
    )
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
