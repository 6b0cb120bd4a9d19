"""Control status and exceptions as compliance tools take them: Vanta's custom resources, Drata's records.

Written from the makers' public documentation alone (November 2026), tried against neither service:
developer.vanta.com, "Custom resource" and "Sync custom resources" (a list of resources with displayName,
uniqueId, externalUrl and customProperties of types Boolean, Int32 and String); developers.drata.com, "Custom
Data Records" (`data` with records of a schema of one's own). Ids of connection and resource type are given by
the service, so they are left to whoever sends.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.pack.page import PackPage

DOCUMENTED = "from public documentation of November 2026; not tried against the service"


def documents(page: PackPage) -> dict[str, object]:
    """Content of each file below `integrations/`, by name."""
    controls = [
        {
            "uniqueId": f"{page.origin}/{page.since}/{page.until}/{each.criterion.name}",
            "displayName": f"{each.criterion.name} {page.since} to {page.until}",
            "criterion": each.criterion.name,
            "owner": each.owner,
            "state": each.state,
            "isPassing": each.state == "no exception",
            "isTested": each.state != "not tested",
            "exceptions": each.exceptions.height,
        }
        for each in page.sections
    ]
    exceptions = [
        {
            "uniqueId": f"{page.origin}/{page.since}/{page.until}/{row['id']}",
            "displayName": str(row["id"]),
            "criterion": str(row["criterion"]),
            "what": str(row["what"]),
            "firstAt": str(row["at"] or ""),
            "done": str(row["done"] or ""),
            "isOpen": not row["done"],
            "count": int(row["count"] or 0),
        }
        for row in page.exceptions.to_dicts()
    ]
    both = {"controls": controls, "exceptions": exceptions}
    files: dict[str, object] = {}
    for name, rows in both.items():
        files[f"vanta-{name}.json"] = {"resources": [_resource(each) for each in rows]}
        files[f"drata-{name}.json"] = {"data": [_record(each) for each in rows]}
    return files


def _resource(fields: Mapping[str, object]) -> dict[str, object]:
    """One of Vanta's: what is not its own is a custom property."""
    own = ("uniqueId", "displayName")
    rest = {name: value for name, value in fields.items() if name not in own}
    return {name: fields[name] for name in own} | {"externalUrl": "", "customProperties": rest}


def _record(fields: Mapping[str, object]) -> dict[str, object]:
    """One of Drata's: a flat record with an id of its own."""
    rest = {name: value for name, value in fields.items() if name != "uniqueId"}
    return {"id": fields["uniqueId"]} | rest
