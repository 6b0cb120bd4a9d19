"""Every knob: type, unit, default, reason. One TOML file, overridable by environment.

Belongs here: the shape of the configuration and how it is read. Does not belong here: secrets, which come
only from the environment or from Prefect blocks, and parameters' meaning, which stands frozen beside the
function that they steer.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tasks.pure import policies, privacy
from tasks.pure.change.alarms import DEFAULT_RULES, AlarmRule
from tasks.pure.change.drift import DriftParameters
from tasks.pure.change.flips import SampleParameters
from tasks.pure.errors import ConfigError
from tasks.pure.policies import Policy
from tasks.pure.retrieval import RetrieveParameters
from tasks.pure.text.claims import ExtractParameters
from tasks.pure.text.passages import PassageParameters

DEFAULT_FILE = "claimledger.toml"
PREFIX = "CLAIMLEDGER__"
"""Of environment variables that override the file."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class FieldMapping(_Section):
    """Where a record keeps each thing: dotted paths into nested records; only `response` is required."""

    id: str | None = None
    """Without it, a record's id is the digest of its content."""
    produced_at: str | None = None
    prompt: str | None = None
    response: str = "response"
    agent: str | None = None
    model: str | None = None
    use_case: str | None = None
    session_id: str | None = None
    contexts: str | None = None
    """A list of strings, or of records described by the two keys below."""
    context_text: str = "text"
    context_uri: str = "uri"
    tools: str | None = None
    metadata: str | None = None


class SourceSettings(_Section):
    """One place that agent outputs come from."""

    name: str = Field(min_length=1, max_length=200)
    kind: Literal["files"] = "files"
    path: str
    """A file, a folder or a glob; relative to the configuration file."""
    format: Literal["auto", "jsonl", "json", "csv", "parquet"] = "auto"
    agent: str | None = None
    """Constant used where the record itself names none; likewise below."""
    model: str | None = None
    use_case: str | None = None
    produced_at: str | None = None
    time_zone: Literal["UTC"] | None = None
    """Times without a zone are refused unless this says that they are UTC."""
    fields: FieldMapping = FieldMapping()


class CorpusSettings(_Section):
    """The team's own documents."""

    name: str = "corpus"
    path: str | None = None
    """A folder, file or glob of text, Markdown, HTML, PDF, Parquet or JSON Lines; relative to this file."""
    text_field: str = "text"
    """Column or key that holds a document's text in Parquet and JSON Lines; likewise below."""
    uri_field: str = "uri"
    passages: PassageParameters = PassageParameters()


EmbedderType = Literal["auto", "float32", "bfloat16"]


class RetrieveSettings(_Section):
    """Embedding model and how many passages reach the verifier."""

    model: str = "all-MiniLM-L6-v2"
    """The embedded default, or a local path or hub id of a sentence-transformers model."""
    dtype: EmbedderType = "auto"
    """What the embedding model multiplies in; auto is the fastest that this machine computes."""
    parameters: RetrieveParameters = RetrieveParameters()


class EndpointSettings(_Section):
    """A judge behind an OpenAI-compatible endpoint. Its key is CLAIMLEDGER_JUDGE_KEY of the environment."""

    url: str = Field(min_length=1, max_length=2000)
    """Up to and without /chat/completions; https, or http on this machine."""
    concurrency: int = Field(default=4, ge=1, le=64)
    """Requests under way at the same time."""
    requests_per_minute: float = Field(default=0.0, ge=0.0)
    """0 is without limit."""
    timeout_s: float = Field(default=60.0, gt=0.0, le=600.0)
    """Of one request, from sending to its last byte."""
    attempts: int = Field(default=5, ge=1, le=20)
    """For 429, 5xx and broken connections; then the call fails and nothing is decided."""
    pause_scale: float = Field(default=1.0, ge=0.0, le=60.0)
    """Factor of the pauses between attempts, Retry-After among them."""
    max_output_tokens: int = Field(default=64, ge=16, le=4096)
    """Three numbers need some 40; a judge that thinks first needs more."""
    tolerated_unanswered_ratio: float = Field(default=0.05, ge=0.0, le=1.0)
    """Pairs without a usable answer are insufficient; a larger share of a call fails it."""
    price_per_million_input: float = Field(default=0.0, ge=0.0)
    price_per_million_output: float = Field(default=0.0, ge=0.0)
    """Of tokens, in any currency: only for the cost that is reported."""


class VerifierSettings(_Section):
    """What judges a claim against its passages."""

    model: str = "default"
    """The embedded default, or a local path or hub id of a sequence-pair classifier."""
    calibration: str = Field(default="", max_length=2000)
    """File of `claimledger calibrate`, relative to the configuration file; empty is none. Its parameters
    are part of the verifier's fingerprint."""
    max_tokens: int = Field(default=512, ge=16)
    """Longest window; never above what the model itself takes."""
    batch_tokens: int = Field(default=8192, ge=64)
    """Token budget of a batch: the product of its rows and its longest row."""
    max_windows: int = Field(default=64, ge=1)
    """Windows per pair; what needs more is insufficient with reason input_too_long."""
    overlap_tokens: int = Field(default=64, ge=0)
    """Tokens that neighbouring windows share: two sentences, so that a fact at a seam is whole in one."""
    premise: Literal["evidence", "claim"] = "evidence"
    """Which text a foreign classifier reads first; natural language inference puts the evidence first."""
    dtype: Literal["auto", "float32", "bfloat16", "int8"] = "auto"
    """Precision of the forward passes. auto: bfloat16 where the processor has it; else, of the embedded
    network, int8 where the processor has VNNI; else float32. It is part of the verifier's fingerprint."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU where torch finds one."""
    backend: Literal["auto", "torch", "onnx", "openvino", "endpoint"] = "auto"
    """What runs a foreign classifier. auto: torch where it has safetensors, else the ONNX or OpenVINO
    file that it has."""
    weights_file: str = Field(default="", max_length=200)
    """Of several ONNX or OpenVINO files of a model, the one to load, such as onnx/model_O3.onnx."""
    endpoint: EndpointSettings | None = None
    """Where backend is endpoint; `model` is then the name that the endpoint knows."""


class ReauditSettings(_Section):
    """How historical claims are judged again."""

    sample: SampleParameters = SampleParameters()
    earlier_verifiers: tuple[VerifierSettings, ...] = ()
    """Verifiers of the past that the lake does not remember, or that moved: written as [verifier] is."""


class PrivacySettings(_Section):
    """Detectors of confidential data."""

    enabled: bool = True
    detectors: tuple[str, ...] = ("email", "phone", "credit_card", "iban", "ssn", "ip_address", "secret")

    @property
    def active(self) -> tuple[str, ...]:
        """Detectors to run: none where the check is switched off."""
        return self.detectors if self.enabled else ()


class ValidationSettings(_Section):
    """The gate before anything is published."""

    data_docs: bool = True
    """Keep Great Expectations' own pages beside the report."""
    maximum_quarantine_ratio: float = Field(default=0.5, ge=0.0, le=1.0)
    """A table of which more than this share is refused fails the run: something systematic is wrong."""


class DriftSettings(_Section):
    """What changed against earlier days, and who is told."""

    enabled: bool = True
    """Whether the nightly audit ends with it; `claimledger drift` works either way."""
    parameters: DriftParameters = DriftParameters()
    alarms: tuple[AlarmRule, ...] = DEFAULT_RULES
    """What raises an alarm; an empty list never does."""
    notify_variable: str = Field(default="CLAIMLEDGER_NOTIFY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable with apprise URLs, blank-separated: they hold secrets, so no file names them."""
    link: str | None = None
    """Address under which people reach LAKE/reports; None names the file."""


class ScheduleSettings(_Section):
    """When the flows run on a Prefect server."""

    cron: str = "0 3 * * *"
    timezone: str = "UTC"
    work_pool: str | None = None


class RunnerSettings(_Section):
    """How the work is cut."""

    unit_outputs: int = Field(default=500, ge=1)
    """Outputs per unit of a day: bounds memory and what an interruption costs."""
    retries: int = Field(default=2, ge=0)
    """Attempts after the first where the world is touched."""
    threads: int = Field(default=0, ge=0)
    """Threads of the models; 0 is one per core."""


class LimitSettings(_Section):
    """Budgets that bound what one hostile file can cost; what exceeds one is refused by name."""

    max_record_bytes: int = Field(default=16 * 2**20, ge=1024)
    max_file_bytes: int = Field(default=4 * 2**30, ge=1024)
    """After decompression."""
    max_columns: int = Field(default=2000, ge=1)
    max_depth: int = Field(default=200, ge=1)
    """Nesting of JSON."""


class WitnessSettings(_Section):
    """One place outside the lake that every checkpoint goes to."""

    name: str = Field(min_length=1, max_length=200)
    kind: Literal["folder", "git", "bucket", "endpoint", "http"] = "folder"
    """`http` speaks C2SP tlog-witness and returns a cosignature; the others keep copies."""
    path: str | None = None
    """Folder, git repository (pushed to its upstream if it has one), or BUCKET/PREFIX."""
    url: str | None = None
    """Submission prefix of an http witness, S3 endpoint, or address that takes PUT; https, or loopback."""
    region: str = "us-east-1"
    """Region of a bucket. Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""
    retention_days: int | None = Field(default=None, ge=1, le=36_500)
    """Object lock of a bucket: nobody can delete a checkpoint before so many days, its owner included."""
    token_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable with an endpoint's bearer token."""
    key: str | None = None
    """Public key (NAME+ID+KEY) that the witness's cosignature must verify with."""


class LedgerSettings(_Section):
    """Who signs the log, and who watches it."""

    origin: str | None = Field(default=None, pattern=r"^[^\s+]{1,255}$")
    """Unique name of the log, a URL without scheme by custom; None makes a random one at first use."""
    key_file: str | None = None
    """Private key, outside the lake; None is one per log in `key_folder`, made at first use."""
    key_folder: str | None = None
    """Folder of keys; None is `claimledger/keys` in the user's configuration folder ($XDG_CONFIG_HOME)."""
    signer: tuple[str, ...] = ()
    """Command that signs instead of a key file: message on standard input, signature on standard output."""
    signer_key: str | None = None
    """Public key of that command."""
    witnesses: tuple[WitnessSettings, ...] = ()
    timestamp_url: str | None = None
    """RFC 3161 time-stamping authority that stamps every checkpoint a run ends with; None asks nobody."""
    timestamp_roots: str | None = None
    """PEM file with the authority's root certificates; what they do not vouch for is not kept."""


class EmptySection(_Section):
    """A section of the contract whose keys a later release brings."""


def _one_path(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


class Settings(BaseSettings):
    """The whole configuration; `Settings()` is the built-in default on the sample data."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    lake: Annotated[str, BeforeValidator(_one_path)] = "lake"
    sources: tuple[SourceSettings, ...] = ()
    corpus: CorpusSettings = CorpusSettings()
    extract: ExtractParameters = ExtractParameters()
    retrieve: RetrieveSettings = RetrieveSettings()
    verifier: VerifierSettings = VerifierSettings()
    reaudit: ReauditSettings = ReauditSettings()
    policies: tuple[Policy, ...] = (Policy(),)
    privacy: PrivacySettings = PrivacySettings()
    validation: ValidationSettings = ValidationSettings()
    drift: DriftSettings = DriftSettings()
    ledger: LedgerSettings = LedgerSettings()
    webhooks: tuple[EmptySection, ...] = ()
    schedule: ScheduleSettings = ScheduleSettings()
    runner: RunnerSettings = RunnerSettings()
    inventory: EmptySection = EmptySection()
    limits: LimitSettings = LimitSettings()

    def sections(self) -> dict[str, str]:
        """Every section but the lake's place and the policies, as JSON: what a change is told by.

        Secrets come by environment and are masked or absent here.
        """
        values = self.model_dump(mode="json", exclude={"lake", "policies"})
        return {n: json.dumps(v, sort_keys=True, separators=(",", ":")) for n, v in sorted(values.items())}

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        names = [s.name for s in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are named {name!r}; give each its own name")
        policies.check(self.policies)
        privacy.named(self.privacy.detectors)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file over defaults; `.env` files and secret folders are not read."""
        return env_settings, init_settings


def load(path: str | Path | None = None, *, lake: str | None = None) -> Settings:
    """Reads a configuration file; relative paths in it are relative to its folder.

    Without a path: `claimledger.toml` of the current folder, else the built-in sample configuration.

    Raises:
        ConfigError: missing or malformed file, unknown key in it or in a CLAIMLEDGER__ variable (names the
            nearest known one), bad value.
    """
    _check_environment()
    file = Path(path) if path is not None else Path(DEFAULT_FILE)
    if path is None and not file.exists():
        return _build(_sample(), "the built-in configuration", Path.cwd(), lake)
    return _build(_read_toml(file, "configuration file"), str(file), file.resolve().parent, lake)


def _read_toml(file: Path, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such {what}; `claimledger init` writes one") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None


def _sample() -> dict[str, Any]:
    """The configuration of the bundled sample, which stands in `data/samples` of a checkout."""
    file = Path(str(files("tasks"))).parent / "data" / "samples" / "claimledger.toml"
    if not file.exists():
        raise ConfigError(
            f"no {DEFAULT_FILE} here and no bundled sample; run `claimledger init` or pass --config FILE"
        )
    raw = tomllib.loads(file.read_text("utf-8"))
    for source in raw.get("sources", []):
        source["path"] = str(file.parent / source["path"])
    if "path" in raw.get("corpus", {}):
        raw["corpus"]["path"] = str(file.parent / raw["corpus"]["path"])
    raw["lake"] = "lake"
    return raw


def _build(raw: dict[str, Any], where: str, base: Path, lake: str | None) -> Settings:
    if isinstance(raw.get("policies"), list):
        raw = {**raw, "policies": [_policy_file(p, base) for p in raw["policies"]]}
    try:
        settings = Settings(**raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error)}") from None
    except ValueError as error:  # pydantic-settings: an environment variable that is not JSON
        raise ConfigError(f"{where} and CLAIMLEDGER__ variables: {error}") from None
    updates: dict[str, Any] = {
        "lake": lake or _absolute(settings.lake, base),
        "sources": tuple(s.model_copy(update={"path": _absolute(s.path, base)}) for s in settings.sources),
    }
    retrieve = settings.retrieve
    updates["retrieve"] = retrieve.model_copy(update={"model": _model(retrieve, base)})
    updates["verifier"] = _verifier(settings.verifier, base)
    earlier = [_verifier(each, base) for each in settings.reaudit.earlier_verifiers]
    updates["reaudit"] = settings.reaudit.model_copy(update={"earlier_verifiers": tuple(earlier)})
    if settings.corpus.path:
        updates["corpus"] = settings.corpus.model_copy(update={"path": _absolute(settings.corpus.path, base)})
    return settings.model_copy(update=updates)


def _policy_file(entry: Any, base: Path) -> Any:
    """A policy as it stands, or read from the TOML file that `file` names."""
    if not isinstance(entry, dict) or set(entry) != {"file"}:
        return entry
    file = base / str(entry["file"])
    if file.suffix != ".toml":
        raise ConfigError(f"{file}: a policy file is TOML and ends in .toml")
    return _read_toml(file, "policy file")


def _absolute(path: str, base: Path) -> str:
    return path if "://" in path else str(base / Path(path).expanduser())


def _verifier(section: VerifierSettings, base: Path) -> VerifierSettings:
    calibration = str(base / Path(section.calibration).expanduser()) if section.calibration else ""
    return section.model_copy(update={"model": _model(section, base), "calibration": calibration})


def _model(section: RetrieveSettings | VerifierSettings, base: Path) -> str:
    """A model's folder beside the configuration file, else what was written: a hub id or a known name."""
    if section.model == type(section).model_fields["model"].default:
        return section.model
    try:
        found = bool(section.model) and (base / section.model).is_dir()
    except OSError:  # no name of a folder: the model's own door says what is wrong with it
        found = False
    return str(base / section.model) if found else section.model


def _check_environment() -> None:
    """pydantic-settings ignores variables whose first part it does not know; a typo must not pass."""
    for name in os.environ:
        if not name.upper().startswith(PREFIX):
            continue
        key = name[len(PREFIX) :].split("__")[0].lower()
        if key not in Settings.model_fields:
            near = difflib.get_close_matches(key, Settings.model_fields, n=1, cutoff=0.6)
            advice = f"did you mean {PREFIX}{near[0].upper()}?" if near else "unset it or correct its name"
            raise ConfigError(f"environment variable {name}: unknown key {key}, {advice}")


def _explain(error: ValidationError) -> str:
    sentences = []
    for problem in error.errors()[:10]:
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            near = _nearest(tuple(problem["loc"]))
            sentences.append(f"unknown key {place}" + (f", did you mean {near}?" if near else ""))
        elif problem["type"] == "missing":
            sentences.append(f"{place} is missing")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            sentences.append(f"{place}: {message}" if place else message)
    more = error.error_count() - 10
    return "; ".join(sentences) + (f"; and {more} more" if more > 0 else "")


def _nearest(location: tuple[int | str, ...]) -> str | None:
    known = set(_known_keys(Settings))
    matches = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.6)
    return matches[0] if matches else None


def _known_keys(model: Any) -> list[str]:
    keys: list[str] = []
    for name, info in model.model_fields.items():
        keys.append(name)
        for inner in (info.annotation, *getattr(info.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                keys += _known_keys(inner)
            elif hasattr(inner, "__dataclass_fields__"):
                keys += [field.name for field in dataclasses.fields(inner)]
    return keys
