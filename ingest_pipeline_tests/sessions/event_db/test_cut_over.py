"""From the old job's table, and from the first version's, to the one of today."""

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from ingest_pipeline.sessions.event_db import migrations
from ingest_pipeline.sessions.event_db.event_db import Author, UploadState
from ingest_pipeline.sessions.event_db.migrations import migrate
from ingest_pipeline.sessions.event_db.open import event_db_at, open_event_db
from ingest_pipeline.sessions.model import Event, Session
from ingest_pipeline_tests.sessions.event_db.production import (
    make_production_table,
    production_rows,
    put_old_row,
)
from ingest_pipeline_tests.sessions.servers import Server, query

OLD = "AV11_V236_230717_111649_62100"
NEW = "AV11_V236_230717_111649_62101"
FIRST = "AV11_V236_230717_111649_1"
TAGS = [f"nv0/{OLD}/audio_tags/{number}_1_medium.wav" for number in (1, 2, 3)]


def session(session_id: str, **fields: Any) -> Session:
    events = (Event(session_id=session_id, audio_tag=tag, **fields) for tag in TAGS)
    return Session(session_id=session_id, events=tuple(events))


def test_a_table_that_the_old_job_filled_gets_nothing_twice(sql_url: str) -> None:
    make_production_table(sql_url)
    for number in (1, 2):
        put_old_row(sql_url, OLD, f"{number}_1_medium.wav")
    put_old_row(sql_url, OLD.lower(), "1_1_medium.wav")
    before = production_rows(sql_url)
    db = open_event_db(sql_url)
    assert db.session_exists(OLD)
    assert not db.session_exists(NEW)
    assert db.sessions_of_old_job([OLD, NEW, f"V9/{OLD}"]) == {OLD, f"V9/{OLD}"}
    uploads = db.upload_all([session(OLD), session(NEW), session(f"V9/{OLD}")])
    assert [each.state for each in uploads] == [
        UploadState.UNCHANGED,
        UploadState.COMPLETED,
        UploadState.UNCHANGED,
    ]
    assert not db.set_comment(OLD, TAGS[0], "not ours")
    assert production_rows(sql_url, f"session_id <> '{NEW}'") == before
    assert len(production_rows(sql_url)) == 6
    db.close()


def test_what_is_too_long_or_cannot_be_spelled_finds_its_place(sql_server: Server) -> None:
    make_production_table(sql_server.url)
    put_old_row(sql_server.url, OLD, "1_1_medium.wav")
    db = open_event_db(sql_server.url)
    (upload, _) = db.upload_all([session(NEW, mission="Żółw 日本 🌧 " * 30), session(OLD)])
    assert upload.cut == ()
    (old,) = production_rows(sql_server.url, f"session_id = '{OLD}'")
    assert old["comment"] == "Müller bremst spät"
    rows = production_rows(sql_server.url, f"session_id = '{NEW}'")
    assert {row["mission"] for row in rows} == {"Żółw 日本 🌧 " * 30}
    db.close()


def test_what_stays_too_long_is_cut_and_said(sql_server: Server) -> None:
    """A column with a default is left as it is."""
    make_production_table(sql_server.url)
    if sql_server.url.startswith("mysql"):
        query(sql_server.url, "ALTER TABLE sds MODIFY mission VARCHAR(9) DEFAULT '-'")
        cut = "Zoë ? aaa"
    else:
        query(sql_server.url, "ALTER TABLE sds ALTER COLUMN mission TYPE VARCHAR(9)")
        query(sql_server.url, "CREATE VIEW missions AS SELECT mission FROM sds")
        cut = "Zoë 🌧 aaa"
    db = open_event_db(sql_server.url)
    upload = db.upload(session(NEW, mission="Zoë 🌧 " + "a" * 20))
    assert (upload.state, upload.cut) == (UploadState.COMPLETED, ("mission",))
    assert {row["mission"] for row in production_rows(sql_server.url)} == {cut}
    assert db.upload(session(NEW, mission="Zoë 🌧 " + "a" * 20)).state is UploadState.UNCHANGED
    db.close()


def of_first_version(url: str) -> None:
    """A table that step 0002 made, with two events as it wrote them and one of the old job."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.set_main_option("path_separator", "os")
        config.attributes |= {"connection": connection, "catalogue_url": None}
        command.upgrade(config, "0002")
        connection.commit()
    said = {
        "comment": "wet road",
        "mission": "ND",
        "mission_segment": None,
        "sds_provider_id": None,
    }
    for number, moment in enumerate((datetime(2023, 7, 17, 11, 17), None)):  # noqa: DTZ001
        tag = f"nv0/ü/{number}_1_medium.wav"
        put_old_row(
            url,
            FIRST,
            tag,
            **said,
            timestamp=moment,
            audio_tag=tag,
            log_slice_link=f"s3://b/V236/{tag}",
            event_key=f"{number}" * 64,
            session_key="a" * 64,
        )
    put_old_row(url, OLD, "1_1_medium.wav", log_slice_link="s3://old/1_1_medium.wav")


def test_rows_of_the_first_version_are_moved_and_others_stay(sql_url: str) -> None:
    of_first_version(sql_url)
    for _ in range(2):
        open_event_db(sql_url, catalogue_url="https://media.example").close()
    rows = query(sql_url, "SELECT * FROM sds ORDER BY event_key")
    ours = [row for row in rows if row["event_key"]]
    assert [str(row["timestamp"])[:19] for row in ours] == [
        "2023-07-17 11:17:00",
        "2023-07-17 11:16:49",
    ]
    assert [row["timestamp_source"] for row in ours] == ["log", "session"]
    for number, row in enumerate(ours):
        assert (row["comment"], row["mission"], row["mission_segment"]) == ("ND", "wet road", "ND")
        assert row["sds_provider_id"] == f"{number}_1_medium.wav"
        link = f"https://media.example/content/b?key=V236/nv0/%C3%BC/{number}_1_medium.wav"
        assert row["log_slice_link"] == link
    (old,) = (row for row in rows if not row["event_key"])
    assert (old["comment"], old["timestamp_source"]) == ("Müller bremst spät", None)
    assert old["log_slice_link"] == "s3://old/1_1_medium.wav"


def test_a_step_that_was_killed_half_way_goes_on(sql_url: str) -> None:
    of_first_version(sql_url)
    query(sql_url, "ALTER TABLE sds ADD COLUMN timestamp_source VARCHAR(16)")
    query(
        sql_url,
        "UPDATE sds SET timestamp_source = 'log', mission = 'wet road', comment = 'said' "
        "WHERE event_key = :key",
        key="0" * 64,
    )
    open_event_db(sql_url).close()
    rows = query(sql_url, "SELECT comment, mission FROM sds WHERE event_key IS NOT NULL")
    assert {row["mission"] for row in rows} == {"wet road"}
    assert {row["comment"] for row in rows} == {"said", "ND"}


def test_people_ask_by_indexes(sql_url: str) -> None:
    make_production_table(sql_url)
    engine = sa.create_engine(sql_url, poolclass=sa.NullPool)
    for _ in range(2):
        migrate(engine)
    first = {index["column_names"][0] for index in sa.inspect(engine).get_indexes("sds")}
    assert {"session_id", "timestamp", "vehicle", "annotation"} <= first


@pytest.mark.parametrize("step", ["old job", "first version"])
def test_who_wrote_what_is_told_before_anything_is_changed(sql_url: str, step: str) -> None:
    if step == "old job":
        make_production_table(sql_url)
        put_old_row(sql_url, OLD, "1_1_medium.wav")
    else:
        of_first_version(sql_url)
        query(
            sql_url,
            "UPDATE sds SET session_key = :key WHERE session_key IS NOT NULL",
            key=_key(FIRST),
        )
    before = _everything(sql_url)
    db = event_db_at(sql_url)
    holdings = db.holdings([OLD, NEW, FIRST])
    assert holdings[OLD].is_of_old_job
    assert [row.recording for row in holdings[OLD].rows] == ["1_1_medium.wav"]
    assert holdings[NEW].rows == ()
    authors = [row.author for row in holdings[FIRST].rows]
    assert authors == ([] if step == "old job" else [Author.FIRST_VERSION] * 2)
    db.close()
    assert _everything(sql_url) == before


def _key(session_id: str) -> str:
    return sha256(session_id.encode()).hexdigest()


def _everything(url: str) -> tuple[list[str], list[dict[str, Any]]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    return sorted(sa.inspect(engine).get_table_names()), query(url, "SELECT * FROM sds")
