from datetime import datetime

from ingest_pipeline.sessions.adoption import survey
from ingest_pipeline.sessions.event_db.event_db import Author
from ingest_pipeline.sessions.event_db.open import event_db_at, open_event_db
from ingest_pipeline.sessions.ingest import ingest_timeframe
from ingest_pipeline.sessions.sample import SampleSession
from ingest_pipeline_tests.sessions.event_db.production import (
    make_production_table,
    production_rows,
    put_old_row,
)
from ingest_pipeline_tests.sessions.trees import ALWAYS, REPORT, Tree


def sample(number: int) -> SampleSession:
    return SampleSession("V236", datetime(2023, 7, 17, 11, 0, number), number)  # noqa: DTZ001


def test_what_a_backfill_would_add_is_what_it_adds(tree: Tree, sql_url: str) -> None:
    make_production_table(sql_url)
    whole, half, new, young = (sample(number) for number in range(4))
    for session in (whole, half, new):
        tree.put_session(session)
    tree.put_session(young, {REPORT: None})
    names = [tag.rpartition("/")[2] for tag in whole.audio_tags]
    for name in names:
        put_old_row(sql_url, whole.session_id, name)
    put_old_row(sql_url, half.session_id, names[0])
    before = production_rows(sql_url)

    found = survey(tree.s3, tree.bucket, event_db_at(sql_url), ALWAYS)
    assert production_rows(sql_url) == before
    assert found.rows == {Author.OLD_JOB: 4, Author.FIRST_VERSION: 0, Author.OURS: 0}
    assert [each.would_add for each in found.sessions] == [0, 0, 3, 0]
    assert found.sessions[0].without_row == ()
    assert found.sessions[1].without_row == tuple(half.audio_tags[1:])
    assert [each.note for each in found.sessions] == [
        "written by the old job: left as it is",
        "written by the old job: left as it is; 2 recordings of its report have no row",
        "",
        "no report: not uploaded yet",
    ]

    db = open_event_db(sql_url)
    ingest_timeframe(tree.s3, tree.bucket, db, ALWAYS)
    assert len(production_rows(sql_url)) == len(before) + found.would_add
    again = survey(tree.s3, tree.bucket, db, ALWAYS)
    assert (again.would_add, again.rows[Author.OURS]) == (0, 3)
    db.close()
