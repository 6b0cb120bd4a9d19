"""The command `export`: the tables as other systems read them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from flows.commands.console import DEFAULTS, Common, table
from tasks.errors import DONE


def export(
    *,
    delta: Annotated[str, Parameter(help="Folder or URL (s3://, gs://, az://) of the Delta tables.")],
    common: Common = DEFAULTS,
) -> int:
    """Export the tables as Delta tables: TARGET/TABLE, each row once, partitioned by date.

    For Databricks, Snowflake, BigQuery and anything else that reads Delta. Running it again adds what is new.
    Days with erased or joined files are rewritten, and the versions that held those files are removed.

    Example: claimledger export --delta /srv/delta
    """
    from tasks.lake import delta as tables

    done = tables.export(common.open_lake(common.reading()), delta)
    rows = [[each.table, each.added, len(each.days), each.version] for each in done]
    lines = table(["table", "rows added", "days rewritten", "version"], rows)
    common.answer({"tables": [asdict(each) for each in done]}, lines)
    return DONE
