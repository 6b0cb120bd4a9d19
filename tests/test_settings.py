"""The configuration: one typed model, unknown keys refused with the nearest one, environment on top."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import get_type_hints

import pytest

from tasks import starter
from tasks.decide.policies import Policy
from tasks.errors import ConfigError, InputError
from tasks.knobs import Section, descriptions
from tasks.settings import Settings, _known_keys, load
from tasks.sources import kinds
from tasks.sources.human_scores import ScoreSettings
from tasks.sources.parameters import FilesSettings
from tests.conftest import REPOSITORY

SMALLEST = """
lake = "lake"
[[sources]]
name = "support-bot"
kind = "files"
path = "exports/**/*.jsonl.gz"
agent = "support-bot"
use_case = "support"
[sources.fields]
id = "trace.id"
produced_at = "timestamp"
prompt = "input.question"
response = "output.text"
model = "model"
contexts = "retrieval.documents"
context_text = "content"
context_uri = "source"
[corpus]
path = "docs"
"""


def sections() -> list[type[Section]]:
    """Every parameter class that people write into the configuration."""
    kinds, found = [Section], set()
    while kinds:
        below = kinds.pop().__subclasses__()
        found |= set(below)
        kinds += below
    return sorted(found, key=lambda kind: kind.__name__)


def written(folder: Path, text: str) -> Path:
    file = folder / "claimledger.toml"
    file.write_text(text, "utf-8")
    return file


def test_without_a_file_there_is_no_configuration_unless_defaults_are_asked_for(elsewhere: Path) -> None:
    with pytest.raises(ConfigError, match=r"^no claimledger\.toml in this folder; `claimledger init` writes"):
        load()
    settings = load(or_defaults=True)
    assert (settings.sources, settings.lake) == ((), str(elsewhere / "lake"))
    with pytest.raises(ConfigError, match="no such configuration file"):
        load("named.toml", or_defaults=True)


def test_the_smallest_real_configuration_loads_with_paths_relative_to_its_file(tmp_path: Path) -> None:
    settings = load(written(tmp_path, SMALLEST))
    assert settings.lake == str(tmp_path / "lake")
    assert settings.sources[0].path == str(tmp_path / "exports/**/*.jsonl.gz")
    assert settings.corpus.path == str(tmp_path / "docs")
    assert settings.policies == (Policy(),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lakee = 'x'", "unknown key lakee, did you mean lake?"),
        ("maximum_quarantine_ratio = 0.1", "did you mean validation.maximum_quarantine_ratio?"),
        ("[runner]\nmax_token = 3", "unknown key runner.max_token, did you mean verifier.max_tokens?"),
        ("[verifier]\nmax_token = 3", "unknown key verifier.max_token, did you mean max_tokens?"),
        ("[[policies]]\nthreshold_suported = 0.4", "did you mean threshold_supported?"),
        (
            "[[policies]]\nthreshold_supported = 1.2",
            "threshold_supported is 1.2, expected a number from 0 to 1",
        ),
        ("[[policies]]\nthreshold_supported = nan", "threshold_supported"),
        ("[verifier]\nmax_tokens = 'many'", "verifier.max_tokens"),
        ("[[sources]]\nname = 'a'", "sources.0.path is missing"),
        ("[[sources]]\nname='a'\npath='x'\n[[sources]]\nname='a'\npath='y'", "two sources are named 'a'"),
        ("lake = ", "not valid TOML"),
        ("lake = 'a'\nlake = 'b'", "not valid TOML"),
        ("[[policies]]\nfile = 'p.yaml'", "a policy file is TOML"),
        ("[[policies]]\nfile = 'missing.toml'", "no such policy file"),
        ("[[policies]]\nname = 'ours'", "the policy ours has no version"),
        ("[schedule]\ncron = 'every night'", "cron is 'every night' (wrong number of fields), expected five"),
        ("[schedule]\ntimezone = 'Europe/Berln'", "timezone is 'Europe/Berln', expected a name such as"),
    ],
)
def test_a_bad_configuration_is_one_sentence_that_names_the_file(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    assert sentence in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value) or "TOML" in str(caught.value)


def test_a_missing_configuration_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="claimledger init"):
        load(tmp_path / "none.toml")


def test_a_binary_configuration_file_is_refused_by_byte(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"lake = '\xff\xfe'")
    with pytest.raises(ConfigError, match="not UTF-8 text at byte 8"):
        load(tmp_path / "c.toml")


def test_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAIMLEDGER__VERIFIER__MODEL", "models/mine")
    settings = load(written(tmp_path, "[verifier]\nmax_tokens = 128"))
    assert (settings.verifier.model, settings.verifier.max_tokens) == ("models/mine", 128)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("CLAIMLEDGER__VERIFER__MODEL", "unknown key verifer, did you mean CLAIMLEDGER__VERIFIER?"),
        ("claimledger__Lakes", "unknown key lakes, did you mean CLAIMLEDGER__LAKE?"),
        ("CLAIMLEDGER__QQQQ", "unknown key qqqq, unset it"),
        ("CLAIMLEDGER__VERIFIER__MODLE", "unknown key verifier.modle, did you mean model?"),
    ],
)
def test_an_unknown_key_in_the_environment_is_refused_as_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, sentence: str
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        load(written(tmp_path, SMALLEST))


@pytest.mark.parametrize("section", ["retrieve", "verifier"])
def test_a_model_folder_beside_the_configuration_file_is_found_from_anywhere(
    tmp_path: Path, elsewhere: Path, section: str
) -> None:
    assert elsewhere.samefile(Path.cwd())
    (tmp_path / "config" / "models" / "mine").mkdir(parents=True)
    file = written(tmp_path / "config", f'[{section}]\nmodel = "models/mine"')
    assert getattr(load(file), section).model == str(tmp_path / "config" / "models" / "mine")


def test_a_calibration_file_is_relative_to_the_configuration_file(tmp_path: Path, elsewhere: Path) -> None:
    text = "[verifier]\ncalibration = 'c.json'\n[[reaudit.earlier_verifiers]]\ncalibration = 'old/c.json'"
    settings = load(written(tmp_path, text))
    assert settings.verifier.calibration == str(tmp_path / "c.json")
    assert settings.reaudit.earlier_verifiers[0].calibration == str(tmp_path / "old" / "c.json")
    assert load(written(tmp_path, "")).verifier.calibration == ""


@pytest.mark.parametrize("section", ["retrieve", "verifier"])
def test_a_hub_id_and_the_default_are_left_as_they_are_even_beside_a_folder_of_that_name(
    tmp_path: Path, section: str
) -> None:
    default = getattr(Settings(), section).model
    (tmp_path / default).mkdir()
    assert getattr(load(written(tmp_path, "")), section).model == default
    hub = written(tmp_path, f'[{section}]\nmodel = "somebody/some-model"')
    assert getattr(load(hub), section).model == "somebody/some-model"


def test_init_writes_a_configuration_with_every_key_and_its_default(tmp_path: Path) -> None:
    starter.write_starter(tmp_path, from_source=None, path=None)
    settings, defaults = load(tmp_path / "claimledger.toml"), Settings()
    for section in set(Settings.model_fields) - {"lake", "sources", "policies_path"}:
        assert getattr(settings, section) == getattr(defaults, section), section
    later: set[str] = set()  # sections that have no keys yet
    text = (tmp_path / "claimledger.toml").read_text() + (tmp_path / "policies/default.toml").read_text()
    keys = set(re.findall(r"^(?:# )?(\w+) = ", text, re.MULTILINE))
    keys |= set(re.findall(r"^(?:# )?\[+(?:\w+\.)?(\w+)\]+", text, re.MULTILINE))
    others = {
        field.name
        for kind in kinds.SETTINGS.values()
        if kind is not FilesSettings
        for field in dataclasses.fields(kind)
    } | {field.name for field in dataclasses.fields(ScoreSettings)}
    assert {path[-1] for path in _known_keys(Settings)} - keys - later - others == set()


@pytest.mark.parametrize("kind", kinds.SETTINGS)
def test_every_kind_of_source_has_a_page_with_its_keys_and_a_configuration_that_loads(
    kind: str, tmp_path: Path
) -> None:
    page = (REPOSITORY / "docs" / "sources" / f"{kind}.md").read_text("utf-8")
    for field in dataclasses.fields(kinds.SETTINGS[kind]):
        assert f"`{field.name}`" in page or f"{field.name} =" in page, field.name
    for example in re.findall(r"```toml\n(.*?)```", page, re.DOTALL):
        source = load(written(tmp_path, example)).sources[0]
        assert source.kind == kind


def test_what_init_leaves_commented_out_is_an_example_that_loads(tmp_path: Path) -> None:
    starter.write_starter(tmp_path, from_source=None, path=None)
    file = tmp_path / "claimledger.toml"
    file.write_text(re.sub(r"^# (?=\w+ = |\[)", "", file.read_text(), flags=re.MULTILINE))
    settings = load(file)
    assert settings.verifier.endpoint is not None
    assert settings.ledger.witnesses[0].name == "security-team"
    assert settings.reaudit.earlier_verifiers[0].model == "models/of-last-year"
    assert settings.sources[0].fields.tools == "tools"


@pytest.mark.parametrize("kind", sections(), ids=lambda kind: str(kind.__name__))
def test_every_key_says_what_it_is_for(kind: type[Section]) -> None:
    own = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    tables = {name for name, hint in get_type_hints(kind).items() if starter._section(hint)}
    assert own - tables <= descriptions(kind).keys()


def test_any_text_of_a_path_is_written_as_valid_toml() -> None:
    text = 'a"b\\c\x7f\n\t\x00\x1b é €.jsonl'
    assert tomllib.loads(f"path = {starter._toml(text)}")["path"] == text


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    written(tmp_path, "lake = 'mine'")
    with pytest.raises(ConfigError, match="already exists"):
        starter.write_starter(tmp_path, from_source=None, path=None)
    assert (tmp_path / "claimledger.toml").read_text() == "lake = 'mine'"
    assert not (tmp_path / "policies").exists()


def test_init_from_an_unknown_kind_of_source_says_which_are_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown kind of source, expected one of atif, files"):
        starter.write_starter(tmp_path, from_source="carrier-pigeon", path=None)
