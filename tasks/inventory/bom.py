"""Door to CycloneDX: the inventory as an ML-BOM, version 1.6."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from uuid import UUID

import polars as pl

from tasks.errors import ConfigError

_SHOWN = ("owner", "purpose", "region", "provider", "may_train", "agreement_until", "first_seen_at",
          "last_seen_at", "outputs", "contradicted", "declared", "finding")  # fmt: skip


def document(rows: pl.DataFrame, *, now: datetime) -> bytes:
    """The BOM as JSON: models and verifiers as machine-learning models, sources and corpora as data, agents
    as applications, tools and integrations as services. Equal rows and moment are equal bytes.

    Raises:
        ConfigError: the extra `bom` is not installed.
    """
    try:
        from cyclonedx.model import Property
        from cyclonedx.model.bom import Bom
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.model.service import Service
        from cyclonedx.output.json import JsonV1Dot6
    except ModuleNotFoundError:
        raise ConfigError("--bom needs the extra bom: pip install 'claimledger[bom]'") from None
    types = {
        "agent": ComponentType.APPLICATION,
        "model": ComponentType.MACHINE_LEARNING_MODEL,
        "verifier": ComponentType.MACHINE_LEARNING_MODEL,
        "source": ComponentType.DATA,
        "corpus": ComponentType.DATA,
    }
    digest = bytearray(hashlib.sha256(f"{now.isoformat()}{rows.write_json()}".encode()).digest()[:16])
    bom = Bom(serial_number=UUID(bytes=bytes(digest), version=4))
    bom.metadata.timestamp = now
    cards = {}
    for row in rows.to_dicts():
        reference = "/".join(["claimledger", row["kind"], row["name"], row["version"]]).rstrip("/")
        shown = [Property(name=f"claimledger:{k}", value=str(row[k])) for k in _SHOWN if row[k] is not None]
        named = {
            "name": row["name"],
            "version": row["version"] or None,
            "bom_ref": reference,
            "properties": shown,
        }
        if row["kind"] in types:
            bom.components.add(Component(type=types[row["kind"]], **named))
        else:
            bom.services.add(Service(**named))
        if types.get(row["kind"]) == ComponentType.MACHINE_LEARNING_MODEL and row["purpose"]:
            cards[reference] = {"considerations": {"useCases": [row["purpose"]]}}
    made = json.loads(JsonV1Dot6(bom).output_as_string())
    for component in made.get("components", []):
        if component["bom-ref"] in cards:  # the library does not write model cards yet
            component["modelCard"] = cards[component["bom-ref"]]
    return (json.dumps(made, indent=1, sort_keys=True) + "\n").encode()
