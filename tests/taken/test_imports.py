"""What was really done, brought in as a file: which lines are taken, and why each other one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from flows.actions import import_actions
from flows.commands.cli import main
from tasks.errors import InputError
from tasks.files import workbooks
from tasks.lake import views
from tasks.ledger import verify
from tasks.review import action_sheets
from tests.support.caught_lake import Bot, at, soon


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Bot:
    """Seven failed answers whose delivery nobody has told yet."""
    bot = Bot(tmp_path_factory.mktemp("bot"))
    bot.export(**{f"00{n}": {"sent": "", "done": ""} for n in range(1, 8)})
    bot.audit()
    return bot


def test_each_line_that_cannot_be_used_is_refused_with_its_reason(
    bot: Bot, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = bot.outputs()
    verdict_id = bot.lake.scan("verdicts").select("verdict_id").collect().item(0, 0)
    rows = [
        ("001", "escalated", ""),
        (ids["002"], "Delivered", soon()),
        ("003", "delivered", at(10)),
        ("1", "escalated", ""),
        (verdict_id, "escalated", ""),
        ("004", "binned", ""),
        ("004", "escalated", "yesterday"),
        ("005", "escalated", ""),
        ("005", "escalated", ""),
        ("006", "escalated", ""),
        ("006", "delivered", ""),
        ("007", "", ""),
        ("", "escalated", ""),
    ]
    text = "source_id;output_id;action_taken;taken_at\r\n"
    for name, action, moment in rows:
        by = f";{name}" if len(name) == 64 else f"{name};"
        text += f"{by};{action};{moment}\r\n"
    file = bot.folder / "done.csv"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert main(["actions", "import", str(file), "--config", bot.config, "--json"]) == 1
    done = json.loads(capsys.readouterr().out)
    assert (done["imported"], done["refused"], done["not_filled_in"]) == (4, 8, 1)
    assert done["deviations"] == 2
    assert done["refusals"] == [
        "line 5: no output of this lake is called 1",
        f"line 6: {verdict_id} is the id of a verdict, expected that of an output",
        "line 7: action_taken is binned, expected one of delivered, rephrased, escalated",
        "line 8: taken_at is yesterday, expected ISO 8601 with a zone",
        "line 10: line 9 says the same about this answer",
        "line 11: other lines contradict it; it is unclear which is right",
        "line 12: other lines contradict it; it is unclear which is right",
        "line 14: it names no answer; give output_id or source_id",
    ]
    quarantine = bot.lake.scan("quarantine").collect()
    assert quarantine["locator"].to_list() == [f"done.csv:{n}" for n in (5, 6, 7, 8, 10, 11, 12, 14)]


def test_what_was_done_says_what_was_caught_and_is_an_event(bot: Bot) -> None:
    names = bot.rows("outputs").select("output_id", name="source_id")
    current = views.current_caught(bot.lake.root).collect().join(names, on="output_id")
    states = dict(current.select("name", "because").iter_rows())
    assert {name: states[name] for name in ("001", "002", "003")} == {
        "001": "held", "002": "delivered_anyway", "003": "delivered_first"
    }  # fmt: skip
    taken = views.current_actions_taken(bot.lake.root).collect()
    assert taken["origin"].unique().to_list() == ["import"]
    events = bot.lake.scan("events").filter(pl.col("kind") == "action_taken").collect()
    assert sorted(events["subject_id"]) == sorted(taken["taken_id"])
    done = verify.verify(bot.lake, bot.settings.ledger)
    assert (done.findings, done.unverifiable) == ([], [])


def test_an_export_that_was_filled_in_comes_back_and_a_second_time_changes_nothing(bot: Bot) -> None:
    sheet = bot.folder / "actions.csv"
    action_sheets.export(bot.lake, action_sheets.waiting(bot.lake), sheet)
    with pytest.raises(InputError, match="no line has an action_taken"):
        import_actions(bot.settings, sheet)  # its column action is what was decided
    filled = pl.read_csv(sheet, infer_schema=False).with_columns(
        action_taken=pl.when(pl.col("source_id") == "'007").then(pl.lit("rephrased")).otherwise(pl.lit(""))
    )
    filled.write_csv(sheet)
    first, again = (import_actions(bot.settings, sheet) for _ in range(2))
    assert (first["imported"], first["refused"], first["not_filled_in"]) == (1, 0, 6)
    assert (again["imported"], again["already_there"]) == (0, 1)


def test_a_workbook_is_read_as_text_and_its_ids_keep_their_zeros(bot: Bot) -> None:
    book = bot.folder / "done.xlsx"
    rows = [["005", "escalated", at(11)], ["5", "escalated", ""]]
    book.write_bytes(workbooks.write(["source_id", "action_taken", "taken_at"], rows, choices={}))
    done = import_actions(bot.settings, book)
    assert (done["imported"], done["refusals"]) == (1, ["line 3: no output of this lake is called 5"])


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("none.csv", None, "none.csv: cannot be read (No such file or directory)"),
        ("empty.csv", b"", "is empty"),
        ("book.xlsx", b"PK\x03\x04" + bytes(range(256)) * 8, "it is damaged or not an XLSX file"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(
    bot: Bot, name: str, data: bytes | None, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file: Path = bot.folder / name
    if data is not None:
        file.write_bytes(data)
    assert main(["actions", "import", str(file), "--config", bot.config]) == 2
    assert sentence in capsys.readouterr().err
