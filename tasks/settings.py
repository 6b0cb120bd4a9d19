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
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_type_hints
from zoneinfo import ZoneInfo

from annotated_types import Ge, Le
from cronsim import CronSim, CronSimError
from pydantic import BeforeValidator, Discriminator, Tag, TypeAdapter, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from tasks.claims.claims import ExtractParameters
from tasks.decide import policies as policy_rules
from tasks.decide.policies import Policy
from tasks.deliver.parameters import HeartbeatSettings, WebhookSettings
from tasks.drift.parameters import DriftSettings
from tasks.errors import ConfigError
from tasks.evidence.parameters import CorpusSettings, RetrieveSettings
from tasks.files import toml_files
from tasks.files.limits import LimitSettings
from tasks.gate.parameters import ValidationSettings
from tasks.health.parameters import HealthSettings
from tasks.inventory.parameters import InventorySettings
from tasks.knobs import Example, Section
from tasks.lake.parameters import CompactionSettings
from tasks.ledger.parameters import LedgerSettings
from tasks.pack.parameters import PackSettings
from tasks.privacy import confidential
from tasks.privacy.parameters import PrivacySettings
from tasks.reaudit.parameters import ReauditSettings
from tasks.report.parameters import ReportSettings
from tasks.retention.parameters import RetentionSettings
from tasks.sources import kinds
from tasks.sources.parameters import SourceSettings
from tasks.verify.parameters import ScoringParameters, VerifierSettings
from tasks.workbench import JudgeParameters

DEFAULT_FILE = "claimledger.toml"
PREFIX = "CLAIMLEDGER__"
"""Of environment variables that override the file."""


_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings(Section):
    """When the flows run on a Prefect server."""

    cron: str = "0 3 * * *"
    """Minute, hour, day, month, weekday."""
    timezone: str = "UTC"
    """Zone of the schedule."""
    deliver_cron: Annotated[str | None, Example("*/15 * * * *")] = None
    """When events are sent in addition to the end of each run; unset: never."""
    alarm_after_hours: Annotated[float, Ge(1), Le(720)] = 6.0
    """How long after it was due a night may end before `deploy`'s automation calls it missing."""
    alarm_block: Annotated[str | None, Example("11111111-2222-3333-4444-555555555555")] = None
    """Id of the notification block on the Prefect server that notifies people."""
    work_pool: Annotated[str | None, Example("claimledger")] = None
    """Pool whose workers run the flows."""
    name: Annotated[str | None, Example("support-team")] = None
    """Name of the deployments on the server; by default the lake's own, which no other lake has."""

    def __post_init__(self) -> None:
        if self.alarm_block is not None and not _UUID.fullmatch(self.alarm_block):
            raise ValueError(f"alarm_block is {self.alarm_block!r}, expected the id of a block")
        try:
            zone = ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"timezone is {self.timezone!r}, expected a name such as Europe/Berlin"
            ) from None
        for name, cron in (("cron", self.cron), ("deliver_cron", self.deliver_cron)):
            try:
                if cron is not None and not cron.startswith("@"):  # @daily and its like are Prefect's to know
                    CronSim(cron, datetime.now(zone))
            except CronSimError as error:
                raise ValueError(
                    f"{name} is {cron!r} ({str(error).lower()}), expected five fields such as 0 3 * * * for "
                    "3 o'clock every day"
                ) from None


@dataclass(frozen=True, kw_only=True)
class RunnerSettings(Section):
    """How the work is divided, and where it runs."""

    kind: Literal["local", "dask", "ray"] = "local"
    """Where units are judged: on this machine, or on the workers of a Dask or Ray cluster that see the lake
    under the same path."""
    address: Annotated[str | None, Example("tcp://scheduler.example:8786")] = None
    """Of the cluster: the Dask scheduler's, or the Ray head's (tcp://HOST:6379)."""
    unit_outputs: Annotated[int, Ge(1)] = 500
    """Outputs per unit: bounds memory and what an interruption costs."""
    together_outputs: Annotated[int, Ge(1)] = 100
    """Neighbouring days with few outputs form one unit up to this many, as each unit costs a second or two
    besides; 1 keeps days apart."""
    retries: Annotated[int, Ge(0)] = 2
    """Retries of steps that use the network, the disk or another system."""
    sources_at_once: Annotated[int, Ge(1), Le(32)] = 1
    """Sources that are pulled in parallel; each keeps its own limits, and rows come in the order of this
    file, whichever source finishes first."""
    pull_processes: Annotated[int, Ge(1), Le(64)] = 2
    """Processes that read a source of spans with over 128 MB of files, each with some 300 MB of memory."""
    threads: Annotated[int, Ge(0)] = 0
    """Threads of the models; 0 is one per core."""
    lock_wait_s: Annotated[float, Ge(0), Le(604_800)] = 21_600.0
    """Seconds to wait for another run that writes to the lake, before giving up."""
    stage_limit_s: Annotated[float, Ge(1), Le(604_800)] = 21_600.0
    """Seconds that one stage may take: the pull, the index, one unit; longer, and the run ends as failed."""

    def __post_init__(self) -> None:
        if self.kind != "local" and not self.address:
            raise ValueError(
                f'address is missing: kind = "{self.kind}" needs the address of a cluster; on one machine, '
                'kind = "local" and `--workers N` do the same without one'
            )
        schemes = {"dask": r"(tcp|tls)://[^/@]+:\d+", "ray": r"((tcp|ray)://)?[^/@]+:\d+"}
        if self.address and not re.fullmatch(schemes.get(self.kind, ".*"), self.address):
            raise ValueError(f"address is {self.address!r}, expected one such as tcp://HOST:PORT")


def _one_path(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


class _Environment(EnvSettingsSource):
    """Variables that override the file, also lists and records within the rooms' frozen parameter classes."""

    def next_field(
        self, field: FieldInfo | Any | None, key: str, case_sensitive: bool | None = None
    ) -> FieldInfo | None:
        """The field of that name within a section; pydantic-settings itself knows only pydantic's classes."""
        section = field.annotation if isinstance(field, FieldInfo) else field
        if isinstance(section, type) and dataclasses.is_dataclass(section):
            hint = get_type_hints(section, include_extras=True).get(key.lower())
            return FieldInfo.from_annotation(hint) if hint else None
        return super().next_field(field, key, case_sensitive)


def _kind_of(source: object) -> str:
    """Which parameter class a source is read into; without a kind it is one of files."""
    kind = source.get("kind", "files") if isinstance(source, dict) else getattr(source, "kind", None)
    return str(kind)


if TYPE_CHECKING:
    AnySource = SourceSettings
else:
    AnySource = Annotated[
        Union[tuple(Annotated[kind, Tag(name)] for name, kind in kinds.SETTINGS.items())],  # noqa: UP007
        Discriminator(_kind_of),
    ]


class Settings(BaseSettings):
    """The whole configuration; `Settings()` has every default and no source."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    lake: Annotated[str, BeforeValidator(_one_path)] = "lake"
    """Folder of every table, report and index, relative to the configuration file; or s3://, gs://, az://."""
    policies_path: Annotated[str, BeforeValidator(_one_path)] = ""
    """Folder with a TOML file for each version of each policy; the one in force on an output's day decides
    it."""
    sources: tuple[AnySource, ...] = ()
    corpus: CorpusSettings = CorpusSettings()
    extract: ExtractParameters = ExtractParameters()
    retrieve: RetrieveSettings = RetrieveSettings()
    verifier: VerifierSettings = VerifierSettings()
    reaudit: ReauditSettings = ReauditSettings()
    policies: tuple[Policy, ...] = (Policy(),)
    privacy: PrivacySettings = PrivacySettings()
    validation: ValidationSettings = ValidationSettings()
    drift: DriftSettings = DriftSettings()
    health: HealthSettings = HealthSettings()
    report: ReportSettings = ReportSettings()
    pack: PackSettings = PackSettings()
    ledger: LedgerSettings = LedgerSettings()
    compaction: CompactionSettings = CompactionSettings()
    retention: RetentionSettings = RetentionSettings()
    webhooks: tuple[WebhookSettings, ...] = ()
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    runner: RunnerSettings = RunnerSettings()
    inventory: InventorySettings = InventorySettings()
    limits: LimitSettings = LimitSettings()

    @property
    def judge_parameters(self) -> JudgeParameters:
        """What a judgement depends on."""
        return JudgeParameters(
            extract=self.extract,
            corpus=self.corpus,
            retrieve=self.retrieve,
            verifier=self.verifier,
            earlier_verifiers=self.reaudit.earlier_verifiers,
            policies=self.policies,
            privacy=self.privacy,
            ledger=self.ledger,
            threads=self.runner.threads,
        )

    @property
    def scoring(self) -> ScoringParameters:
        """What the verifier alone takes."""
        return ScoringParameters(
            verifier=self.verifier,
            policy=policy_rules.for_use_case(
                self.policies, policy_rules.ANY_USE_CASE, datetime.now(UTC).date()
            ),
            threads=self.runner.threads,
            max_record_bytes=self.limits.max_record_bytes,
        )

    def sections(self) -> dict[str, str]:
        """Every section but the lake's place and the policies, as JSON: what a change is told by.

        Secrets come by environment and are masked or absent here.
        """
        values = self.model_dump(mode="json", exclude={"lake", "policies", "policies_path", "heartbeat"})
        return {n: json.dumps(v, sort_keys=True, separators=(",", ":")) for n, v in sorted(values.items())}

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        names = [s.name for s in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two sources are named {name!r}; give each its own name")
        endpoints = [webhook.variable for webhook in self.webhooks]
        for webhook in self.webhooks:
            if endpoints.count(webhook.variable) > 1:
                raise ValueError(
                    f"two webhooks are named {webhook.name!r}or nearly so; give each its own name"
                )
        policy_rules.refuse_overlaps(self.policies)
        confidential.detectors_of(self.privacy.detectors)
        confidential.detectors_of(self.privacy.redaction.kinds)
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
        return _Environment(settings_cls), init_settings


def load(path: str | Path | None = None, *, lake: str | None = None, or_defaults: bool = False) -> Settings:
    """Reads a configuration file; relative paths in it are relative to its folder.

    Args:
        path: the file; None is `claimledger.toml` of the current folder.
        lake: instead of the configured one.
        or_defaults: where no file is named and there is none, every key has its default. Only for what reads
            no source: a night in the wrong folder must not end well with nothing audited.

    Raises:
        ConfigError: missing or malformed file, unknown key in it or in a CLAIMLEDGER__ variable (names the
            nearest known one), bad value.
    """
    _check_environment()
    file = Path(path) if path is not None else Path(DEFAULT_FILE)
    if path is None and not file.exists():
        if not or_defaults:
            raise ConfigError(
                f"no {DEFAULT_FILE} in this folder; `claimledger init` writes one, --config FILE names "
                "another, and `claimledger demo` shows an audit of the bundled sample"
            )
        return _build({}, "the defaults", Path.cwd(), lake)
    return _build(toml_files.read(file, "configuration file"), str(file), file.resolve().parent, lake)


def _build(raw: dict[str, Any], where: str, base: Path, lake: str | None) -> Settings:
    policies = _policies(raw, base, where)
    if policies:
        raw = {**raw, "policies": [policy for policy, _ in policies]}
    try:
        settings = Settings(**raw)
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(error)}") from None
    except ValueError as error:  # pydantic-settings: an environment variable that is not JSON
        raise ConfigError(f"{where} and CLAIMLEDGER__ variables: {error}") from None
    for policy, place in policies:
        _require_version(policy, place)
    updates: dict[str, object] = {
        "lake": lake or _absolute(settings.lake, base),
        "sources": tuple(_located(source, base) for source in settings.sources),
        "webhooks": tuple(_endpoint(webhook, base) for webhook in settings.webhooks),
    }
    if settings.policies_path:
        updates["policies_path"] = _absolute(settings.policies_path, base)
    retrieve = settings.retrieve
    updates["retrieve"] = replace(retrieve, model=_model(retrieve, base))
    updates["verifier"] = _verifier(settings.verifier, base)
    earlier = [_verifier(each, base) for each in settings.reaudit.earlier_verifiers]
    updates["reaudit"] = replace(settings.reaudit, earlier_verifiers=tuple(earlier))
    if settings.validation.suites:
        suites = _absolute(settings.validation.suites, base)
        updates["validation"] = replace(settings.validation, suites=suites)
    updates["privacy"] = _privacy(settings.privacy, base)
    if settings.inventory.path:
        updates["inventory"] = replace(settings.inventory, path=_absolute(settings.inventory.path, base))
    if settings.corpus.path:
        updates["corpus"] = replace(settings.corpus, path=_absolute(settings.corpus.path, base))
    return settings.model_copy(update=updates)


def _privacy(settings: PrivacySettings, base: Path) -> PrivacySettings:
    """Privacy settings whose files are relative to nothing."""
    leaks = settings.leaks
    prompts, strings = (path and _absolute(path, base) for path in (leaks.system_prompts, leaks.confidential))
    reviewed = settings.redaction.reviewed and _absolute(settings.redaction.reviewed, base)
    return replace(
        settings,
        names_model=settings.names_model and _absolute(settings.names_model, base),
        leaks=replace(leaks, system_prompts=prompts, confidential=strings),
        redaction=replace(settings.redaction, reviewed=reviewed),
    )


def _located(source: Any, base: Path) -> SourceSettings:
    """A source whose path, where it has one, is relative to nothing."""
    path = getattr(source, "path", "")
    located: SourceSettings = replace(source, path=_absolute(path, base)) if path else source
    reviews = getattr(located, "reviews", None)
    if reviews is not None and reviews.path:
        located = replace(located, reviews=replace(reviews, path=_absolute(reviews.path, base)))  # type: ignore[call-arg]
    return located


def _endpoint(webhook: WebhookSettings, base: Path) -> WebhookSettings:
    """An endpoint whose files are relative to nothing."""
    url = _absolute(webhook.url, base) if webhook.kind == "file" else webhook.url
    return replace(webhook, url=url, ca_file=webhook.ca_file and _absolute(webhook.ca_file, base))


def _policies(raw: dict[str, Any], base: Path, where: str) -> list[tuple[object, str]]:
    """Policies as they are written, and which file each is in: those of the configuration, then documents."""
    entries = raw.get("policies")
    written = [_policy_file(entry, base, where) for entry in entries] if isinstance(entries, list) else []
    folder = os.environ.get(f"{PREFIX}POLICIES_PATH") or raw.get("policies_path")
    if not folder or not isinstance(folder, str):
        return written
    files = toml_files.in_folder(Path(_absolute(folder, base)), "policy")
    named = {Path(place).resolve() for _, place in written}
    return written + [policy_document(file) for file in files if file.resolve() not in named]


def policy_document(file: Path) -> tuple[Policy, str]:
    """A policy of a file, and the file.

    Raises:
        ConfigError: it cannot be read or means no policy.
    """
    raw = toml_files.read(file, "policy file")
    try:
        policy = TypeAdapter(Policy).validate_python(raw)
    except ValidationError as error:
        raise ConfigError(f"{file}: {_explain(error, ('policies',))}") from None
    _require_version(raw, str(file))
    return policy, str(file)


def _policy_file(entry: object, base: Path, where: str) -> tuple[object, str]:
    """A policy as it stands, or read from the TOML file that `file` names; and which file it is in."""
    if not isinstance(entry, dict) or set(entry) != {"file"}:
        return entry, where
    file = base / str(entry["file"])
    if file.suffix != ".toml":
        raise ConfigError(f"{file}: a policy file is TOML and ends in .toml")
    return policy_document(file)


def _require_version(policy: object, where: str) -> None:
    """Raises ConfigError for a policy of a file that does not say which version of it this is."""
    if isinstance(policy, dict) and "version" not in policy:
        name = policy.get("name", Policy().name)
        raise ConfigError(
            f"{where}: the policy {name} has no version, which shows auditors what rules decided; add "
            'version = "1", and raise it whenever you change a value'
        )


def _absolute(path: str, base: Path) -> str:
    return path if "://" in path else str(base / Path(path).expanduser())


def _verifier(section: VerifierSettings, base: Path) -> VerifierSettings:
    calibration = str(base / Path(section.calibration).expanduser()) if section.calibration else ""
    return replace(section, model=_model(section, base), calibration=calibration)


def _model(section: RetrieveSettings | VerifierSettings, base: Path) -> str:
    """A model's folder beside the configuration file, else what was written: a hub id or a known name."""
    if section.model == type(section).model:
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


def _explain(error: ValidationError, section: tuple[str, ...] = ()) -> str:
    """What is wrong, in sentences; `section` is the one that a document of its own stands for."""
    sentences = []
    for problem in error.errors()[:10]:
        place = ".".join(_place(problem["loc"]))
        if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            near = _nearest((*section, *problem["loc"]))
            sentences.append(f"unknown key {place}" + (f", did you mean {near}?" if near else ""))
        elif problem["type"] == "missing":
            sentences.append(f"{place} is missing")
        elif problem["type"] == "union_tag_invalid":
            sentences.append(f"{place}.kind: expected one of {', '.join(kinds.SETTINGS)}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            sentences.append(f"{place}: {message}" if place else message)
    more = error.error_count() - 10
    return "; ".join(sentences) + (f"; and {more} more" if more > 0 else "")


def _place(location: tuple[int | str, ...]) -> list[str]:
    """Where a fault is, without the kind of source, which pydantic names as if it were a key."""
    is_tagged = location[:1] == ("sources",) and len(location) > 2
    return [str(part) for at, part in enumerate(location) if not (is_tagged and at == 2)]


def _nearest(location: tuple[int | str, ...]) -> str | None:
    """The known key that is most like it: its name in the same section, with its section from another one."""
    paths = _known_keys(Settings)
    matches = difflib.get_close_matches(str(location[-1]), {path[-1] for path in paths}, n=1, cutoff=0.6)
    if not matches:
        return None
    section = tuple(part for part in _place(location)[:-1] if not part.isdigit())
    homes = [path for path in paths if path[-1] == matches[0]]
    return matches[0] if (*section, matches[0]) in homes else ".".join(homes[0])


def _known_keys(section: type, place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The path of every key, sections before what they hold."""
    paths: list[tuple[str, ...]] = []
    names = (
        [field.name for field in dataclasses.fields(section)]
        if dataclasses.is_dataclass(section)
        else Settings.model_fields
    )
    hints = get_type_hints(section)
    for name in names:
        paths.append((*place, name))
        for inner in _classes(hints[name]):
            paths += _known_keys(inner, (*place, name))
    return paths


def _classes(hint: object) -> list[type]:
    """The parameter classes that a key's type is made of."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return [hint]
    return [kind for part in get_args(hint) for kind in _classes(part)]
