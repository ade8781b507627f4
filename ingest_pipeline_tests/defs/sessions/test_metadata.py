import base64
import io
from datetime import date, datetime
from typing import Any

import dagster as dg
from PIL import Image

from ingest_pipeline.defs.common.metadata import links
from ingest_pipeline.defs.sessions.metadata import (
    describe_ingested_sessions,
    describe_run,
)
from ingest_pipeline.sessions.job_report import JobReport
from ingest_pipeline.sessions.model import SessionOutcome, SessionState
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline.sessions.tree import FolderProblem, Timeframe
from ingest_pipeline_tests.defs.runs import (
    records,
)
from ingest_pipeline_tests.defs.sessions.helpers import (
    STEP,
    ingest,
    put,
    session,
)
from ingest_pipeline_tests.world import World, some_ref


def test_the_metadata_of_a_run_are_the_tables_that_people_read(
    our_world: World, instance: dg.DagsterInstance
) -> None:
    complete, without_events = session(1), SampleSession("V237", datetime(2024, 2, 2), 2, tags=0)  # noqa: DTZ001
    put(our_world, complete, without_events)
    our_world.clients.s3.put_object(
        Bucket=our_world.session_bucket, Key="V238/240231/100000/x/file", Body=b""
    )
    result = ingest(instance)
    assert result.success
    first, second = (
        {**shown(result, "session_reports", day), **shown(result, "session_events", day)}
        for day in ("2024-02-01", "2024-02-02")
    )
    assert (first["sessions"], first["states"]) == (1, {"processed": 1})
    assert (second["sessions"], second["states"]) == (1, {"skipped": 1})
    assert shown(result, "session_events", "2024-02-03")["events"] == 0
    reports = shown(result, "session_reports", "2024-02-29")
    alternative, content = reports["by day and vehicle"].split("](data:image/png;base64,")
    assert alternative == "![sessions by day and vehicle"
    pixels = Image.open(io.BytesIO(base64.b64decode(content.removesuffix(")")))).convert("RGB")
    colours = {colour for number, colour in pixels.getcolors(1 << 16) or [] if number > 1000}
    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)} < colours, "a bar for each vehicle"
    assert reports["folders that are no date or time"] == [
        f"s3://{our_world.session_bucket}/V238/240231/: '240231' is no date YYMMDD"
    ]
    assert (first["events"], second["events"]) == (3, 0)
    assert records(first["summary"]) == [["events", 0, 3, 3], ["sessions", 0, 1, 1]]
    assert records(second["summary"]) == [["events", 0, 0, 0], ["sessions", 1, 0, 1]]
    assert without_events.session_id in {
        cell for row in records(second["no events"]) for cell in row
    }
    assert records(first["no events"]) == records(second["processed"]) == []
    assert records(first["processed"])[0][0] == complete.session_id


def shown(result: dg.ExecuteInProcessResult, asset: str, day: str) -> dict[str, Any]:
    """What the UI shows of an asset on a day."""
    (one,) = (
        event
        for event in result.asset_materializations_for_node(STEP)
        if event.asset_key == dg.AssetKey(asset) and event.partition == day
    )
    return {
        name: value if isinstance(value, dg.TableMetadataValue) else value.value
        for name, value in one.metadata.items()
    }


def test_names_from_outside_do_not_act_in_the_tables_and_long_tables_are_cut() -> None:
    name = "<script>|`a`|[x](http://y)"
    outcomes = tuple(
        SessionOutcome(
            session_id=f"{name}{number}",
            folder=f"s3://sessions/{name.replace('/', '')}/240201/100000/{number}/",
            state=SessionState.PROCESSED,
        )
        for number in range(150)
    )
    report = JobReport(
        timeframe=Timeframe.of_days(date(2024, 2, 1), date(2024, 2, 1)),
        outcomes=outcomes,
        problems=tuple(FolderProblem(folder=f"s3://sessions/{n}", reason="x") for n in range(150)),
    )
    found, ingested = describe_run(report), describe_ingested_sessions(report)
    rows = records(ingested["processed"])
    assert rows[0][0] == f"{name}0", "the cells of a table are text: they need no escapes"
    assert len({len(row) for row in rows}) == 1
    assert rows[-1][0] == "and 50 more"
    assert len(rows) == 101
    shown = str(links([some_ref("ingest", name)], "http://localhost").value)
    assert not {"<", "`"} & set(shown)
    assert shown.count("[") == shown.count("](") == 1
    assert name not in str(found["by day and vehicle"].value)
    problems = found["folders that are no date or time"].value
    assert isinstance(problems, list)
    assert len(problems) == 100
