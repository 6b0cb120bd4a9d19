"""What an embedding model asks for: words before a query and before a document, a route for each.

Belongs here: reading the model's own configuration, and refusing what cannot be honoured. Does not belong
here: the model itself (`models.py`).

Models of the e5, bge and nomic kind were trained with such prompts; without them their vectors are others,
and nothing says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.errors import ModelError
from tasks.models.folder import read_json

Role = Literal["query", "document"]
"""A claim or a question looks for passages; a passage is looked for."""

CONFIGURATION = "config_sentence_transformers.json"
ROUTER = "router_config.json"
NAMES: dict[Role, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}
"""Under which names a model keeps the prompt of a role; those of sentence-transformers' `encode_query` and
`encode_document`."""
LONGEST = 2000
"""Characters of a prompt: those of published models are below 200."""


@dataclass(frozen=True)
class Roles:
    """Prompts by role; `routed` where queries and documents go through different modules."""

    query: str = ""
    document: str = ""
    routed: bool = False

    def prompt(self, role: Role) -> str:
        """What stands before every text of that role."""
        return self.query if role == "query" else self.document

    @property
    def differ(self) -> bool:
        """Whether one text has two vectors."""
        return self.routed or self.query != self.document

    @property
    def identity(self) -> bytes:
        """Part of the fingerprint; empty where a text is encoded as it stands."""
        if not self.differ and not self.query:
            return b""
        return b" roles " + json.dumps([self.query, self.document, self.routed]).encode("ascii")


def read_roles(
    folder: Path, name: str, query_prompt: str | None = None, document_prompt: str | None = None
) -> Roles:
    """Roles of a sentence-transformers folder; a prompt that is given takes the place of the model's own.

    Raises:
        ModelError: prompts that are not plain text, or a similarity other than the cosine.
    """
    file = folder / CONFIGURATION
    values = read_json(file, name) if file.exists() else {}
    if not isinstance(values, dict):
        raise ModelError(f"{name}: {CONFIGURATION} is not an object")
    modules = [m for m in read_json(folder / "modules.json", name) if isinstance(m, dict)]
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    similarity = values.get("similarity_fn_name") or "cosine"
    if similarity != "cosine" and kinds[-1:] != ["Normalize"]:
        raise ModelError(
            f"{name}: its vectors are compared by {similarity!r}, but evidence is found by cosine; "
            "choose a model whose similarity is cosine, or one that ends in Normalize"
        )
    given: dict[Role, str | None] = {"query": query_prompt, "document": document_prompt}
    own = _prompts(values, name)
    spare = values.get("default_prompt_name")
    if spare is not None and spare not in own:
        raise ModelError(
            f"{name}: {CONFIGURATION} names {spare!r} as its default prompt but does not define it"
        )
    found: dict[Role, str] = {}
    for role, names in NAMES.items():
        # sentence-transformers knows empty prompts of both roles, which keep the default one away.
        held = next((own[n] for n in names if own.get(n)), "" if any(n in own for n in names) else None)
        if held is None:
            held = own.get(str(spare), "")
        told = given[role]
        found[role] = held if told is None else told
        _check(found[role], name, role)
    return Roles(found["query"], found["document"], routed="Router" in kinds)


def _prompts(values: dict[str, object], name: str) -> dict[str, str]:
    prompts = values.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(isinstance(p, str | None) for p in prompts.values()):
        raise ModelError(f"{name}: the prompts of {CONFIGURATION} are not strings by name")
    return {str(key): prompt or "" for key, prompt in prompts.items()}


def _check(prompt: str, name: str, role: Role) -> None:
    if any(mark in prompt for mark in ("{{", "{%", "{#")):
        raise ModelError(
            f"{name}: its {role} prompt is a template, and templates are not run; "
            f"state the text in retrieve.{role}_prompt"
        )
    if len(prompt) > LONGEST:
        raise ModelError(
            f"{name}: its {role} prompt has {len(prompt):,} characters, at most {LONGEST:,} are read; "
            f"state a shorter one in retrieve.{role}_prompt"
        )
