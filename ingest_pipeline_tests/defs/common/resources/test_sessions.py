from datetime import UTC, datetime

import pytest

from ingest_pipeline.aws.events import ingest_body
from ingest_pipeline.aws.queues import Message
from ingest_pipeline_tests.world import World, some_ref

FOLDER = "V236/230717/111649/AV11_V236_230717_111649_62100/"


def test_sessions_of_a_month_share_a_run(world: World) -> None:
    consumer = world.wired.session_consumer
    body = ingest_body(some_ref("sessions", f"{FOLDER}x_logged_Upload_Report.json"))
    message = Message(id="m", handle="h", body=body, receive_count=1, sent_at=datetime.now(UTC))
    (ref,) = consumer.parse(message).objects
    assert ref.key == FOLDER
    assert consumer.group_of(ref) == "2023-07"


def test_the_bucket_is_that_of_the_settings(world: World) -> None:
    assert world.wired.session_bucket.name == world.session_bucket


def test_the_database_is_ready_when_it_is_opened_and_closed_after(our_world: World) -> None:
    resource = our_world.wired.event_db
    with resource.opened() as database:
        assert database.event_counts({"never"}) == {}
    with pytest.raises(RuntimeError, match="as if the run had failed"), resource.opened():
        raise RuntimeError("as if the run had failed")
    with resource.opened() as database:
        assert len(database.table()) == 0


def test_the_ui_shows_which_database_and_not_its_address(world: World) -> None:
    assert world.wired.event_db.kind == f"as {world.settings.event_db_file} says"
