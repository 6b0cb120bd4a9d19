"""What `claimledger init` writes: a commented configuration, a policy file and a sample to start from.

The configuration is rendered from the settings' own declarations: every key, its default, what it is for.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from tasks.decide.policies import Policy
from tasks.errors import ConfigError
from tasks.files.bundled import bundled
from tasks.knobs import Example, Section, descriptions
from tasks.settings import DEFAULT_FILE, Settings
from tasks.sources import sampling
from tasks.sources.parameters import FieldMapping, FilesSettings, SourceSettings

DEMO_OUTPUTS = 30
"""Enough to show every verdict; a minute or two on two cores."""
_WIDTH = 100
_INTRODUCTION = """
Every key can be overridden by environment, for example CLAIMLEDGER__VERIFIER__MODEL=models/mine. Relative
paths are relative to this file. A key behind # is not set; what it shows is its default or an example.
"""
_POLICY = "A policy: written thresholds and actions. Thresholds are probabilities, 0 to 1."
_POLICIES = "Policies may also be written here, each with the keys of a file of policies_path."
_OWN_POLICY = ("[[policies]]", 'name = "another"', 'version = "1"', 'use_cases = ["sales"]')
POLICY_FILE = "policies/default.toml"

SAMPLE_FIELDS = FieldMapping(
    id="trace.id",
    produced_at="timestamp",
    prompt="input.question",
    response="output.text",
    agent="agent",
    model="model",
    use_case="use_case",
    contexts="retrieval.documents",
    context_text="content",
    context_uri="source",
)
SAMPLE_SOURCE = FilesSettings(name="sample", path="sample/*.jsonl", fields=SAMPLE_FIELDS)

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


def write_starter(
    directory: Path,
    *,
    from_source: str | None,
    path: str | None,
    url: str | None = None,
    project: str | None = None,
    query: str | None = None,
) -> dict[str, list[str]]:
    """Writes claimledger.toml, policies/default.toml and, without a source, a sample of five answers.

    Returns `files` written, `notes` for a person to read, and `to_set`: keys that only a person can give and
    no audit can do without.

    Raises:
        ConfigError: a file is there already; nothing is overwritten.
        InputError: the kind of source is unknown, or it is missing or cannot be sampled.
    """
    look = sampling.Look(SAMPLE_SOURCE, [])
    if from_source is not None:
        asked = sampling.Asked(path=path, url=url, project=project, query=query)
        look = sampling.look(from_source, asked)
    contents = {
        directory / "claimledger.toml": render_configuration(look.source, look.questions),
        directory / POLICY_FILE: render_policy(),
    }
    if from_source is None:
        contents[directory / "sample" / "outputs.jsonl"] = _sample_lines()
    for file in contents:
        if file.exists():
            raise ConfigError(f"{file} already exists; choose another folder or move it away")
    for file, text in contents.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return {"files": [str(file) for file in contents], "notes": look.notes, "to_set": list(look.questions)}


def write_demo(directory: Path, *, full: bool) -> Path:
    """Writes the sample's configuration, corpus and DEMO_OUTPUTS of its outputs, or all; returns the first.

    Writing the same again changes nothing.

    Raises:
        ConfigError: another file is there already, or the sample is not installed; nothing is written.
    """
    sample = bundled("samples")
    exports = sorted((sample / "outputs").glob("*.jsonl.gz"))
    lines = {file: gzip.decompress(file.read_bytes()).splitlines(keepends=True) for file in exports}
    if not full:
        lines = _spread(lines, DEMO_OUTPUTS)
    unchanged = [sample / DEFAULT_FILE, *sorted((sample / "corpus").rglob("*.md"))]
    contents = {directory / file.relative_to(sample): file.read_bytes() for file in unchanged}
    for file, kept in lines.items():
        contents[directory / "outputs" / file.name] = gzip.compress(b"".join(kept), mtime=0)
    for file, data in contents.items():
        if file.exists() and file.read_bytes() != data:
            raise ConfigError(f"{file} already exists and is not from the demo; choose another folder")
    for file, data in contents.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return directory / DEFAULT_FILE


def _spread(lines: Mapping[Path, list[bytes]], count: int) -> dict[Path, list[bytes]]:
    """So many lines at equal distances over all files, so that every file has its share."""
    every = [(file, line) for file, own in lines.items() for line in own]
    kept = [every[number * len(every) // count] for number in range(count)] if len(every) > count else every
    return {file: [line for its, line in kept if its == file] for file in lines}


def render_configuration(source: SourceSettings, questions: Mapping[str, str] | None = None) -> str:
    """A whole configuration with one source; every other key has its default.

    `questions` stand above keys of the source that a person has to set, which stay behind their #.
    """
    hints, texts = get_type_hints(Settings, include_extras=True), descriptions(Settings)
    explained: set[type] = set()
    lines = _comment(_INTRODUCTION)
    for name, field in Settings.model_fields.items():
        kind = _section(hints[name])
        if name == "policies":
            lines += ["", *_comment(_POLICIES), *map(_commented, _OWN_POLICY)]
        elif name == "policies_path":
            lines += ["", *_comment(texts[name]), f"{name} = {_toml(POLICY_FILE.partition('/')[0])}"]
        elif kind is None:
            lines += ["", *_comment(texts[name]), f"{name} = {_toml(field.default)}"]
        elif dataclasses.fields(kind):  # a section whose keys a later release brings is left out
            lines += _tables(name, hints[name], (source,) if name == "sources" else field.default, explained)
    for key, question in (questions or {}).items():
        place = next(number for number, line in enumerate(lines) if line.startswith(f"# {key} = "))
        lines[place:place] = _comment(f"TO SET: {question}")
    return "\n".join(lines) + "\n"


def render_policy() -> str:
    """The default policy as a file."""
    keys, _ = _keys("", Policy, vars(Policy()), set())
    return "\n".join([*_comment(_POLICY), "", *keys]) + "\n"


def _tables(path: str, hint: object, value: object, explained: set[type], text: str = "") -> list[str]:
    """A table, or an array of them, with the tables within; commented out where it is not set.

    `text` is what the key is for, beside what its kind is.
    """
    kind = _section(hint)
    assert kind is not None  # noqa: S101 - for the type checker
    is_set = not _is_unset(value)
    if not is_set:
        value = _example(hint)
    header = f"[[{path}]]" if "tuple" in str(hint) else f"[{path}]"
    lines = []
    for number, item in enumerate(value if isinstance(value, tuple) else (value,)):
        kind = type(item) if isinstance(item, Section) else kind
        comment = [] if kind in explained else _comment(str(kind.__doc__))
        comment += [] if number else _comment(text)
        keys, inner = _keys(path, kind, vars(item) if item else _examples(kind), explained)
        part = [header, *keys, *inner]
        lines += ["", *comment, *(part if is_set else map(_commented, part))]
    return lines


def _keys(
    path: str, kind: type, values: Mapping[str, object], explained: set[type]
) -> tuple[list[str], list[str]]:
    """Lines of a table's own keys, and of the tables within.

    Of a kind that was explained before, only the keys that differ from their defaults.
    """
    is_new, hints, texts = (
        kind not in explained,
        get_type_hints(kind, include_extras=True),
        descriptions(kind),
    )
    explained.add(kind)
    keys, inner = [], []
    for field in dataclasses.fields(kind):
        value, hint = values[field.name], hints[field.name]
        if _section(hint) and is_new:
            inner += _tables(f"{path}.{field.name}", hint, value, explained, texts.get(field.name, ""))
        elif is_new:
            keys += [*_comment(_with_choices(texts[field.name], hint)), _key(field.name, hint, value)]
        elif value != field.default:
            keys.append(_key(field.name, hint, value))
    return keys, inner


def _key(name: str, hint: object, value: object) -> str:
    return f"# {name} = {_toml(_example(hint))}" if _is_unset(value) else f"{name} = {_toml(value)}"


def _section(hint: object) -> type | None:
    """The parameter class that a key holds, or holds several of."""
    if isinstance(hint, type) and issubclass(hint, Section):
        return hint
    return next((kind for kind in map(_section, get_args(hint)) if kind), None)


def _is_unset(value: object) -> bool:
    return value is None or value in ("", (), {})


def _example(hint: object) -> object:
    """What the declaration gives as an example; None where it gives none."""
    examples = [each.value for each in get_args(hint) if isinstance(each, Example)]
    return examples[0] if examples else None


def _examples(kind: type) -> dict[str, object]:
    """Defaults of a class, and examples for what has none."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        field.name: _example(hints[field.name]) if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(kind)
    }


def _with_choices(text: str, hint: object) -> str:
    """A key's description with the values that it may have, where it does not name them itself."""
    choices = [str(choice) for part in (hint, *get_args(hint)) for choice in _choices(part)]
    is_told = len(choices) < 2 or all(choice in text for choice in choices)
    return text if is_told else f"{text} One of {', '.join(choices)}."


def _choices(hint: object) -> tuple[object, ...]:
    return get_args(hint) if get_origin(hint) is Literal else ()


def _comment(text: str) -> list[str]:
    paragraph = text.partition("\n\n")[0]
    return [f"# {line}" for line in textwrap.wrap(" ".join(paragraph.split()), _WIDTH)]


def _commented(line: str) -> str:
    return line if not line or line.startswith("#") else f"# {line}"


def _toml(value: object) -> str:
    """A value in TOML. A string is a basic one: JSON's escapes are TOML's, which also forbids DEL."""
    match value:
        case bool() | str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
        case _:
            return str(value)


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
