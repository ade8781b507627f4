from datetime import datetime
from pathlib import Path

import pytest

from ingest_pipeline.sessions.download import Downloads, download_tags
from ingest_pipeline.sessions.model import Event
from ingest_pipeline.sessions.reading import read_session
from ingest_pipeline.sessions.sample import SampleSession, recording
from ingest_pipeline_tests.sessions.trees import Tree

SAMPLE = SampleSession("V236", datetime(2023, 7, 17, 11, 16, 49), 1, tags=10)  # noqa: DTZ001


def events_of(tree: Tree) -> tuple[Event, ...]:
    tree.put_session(SAMPLE)
    return read_session(tree.s3, tree.only()).events


def download(tree: Tree, folder: Path, *events: Event) -> Downloads:
    return download_tags(tree.s3, tree.bucket, events, folder)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_recordings_come_below_their_session(tree: Tree, tmp_path: Path) -> None:
    events = events_of(tree)
    done = download(tree, tmp_path, *events)
    assert done.problems == ()
    assert [event.audio_tag for event in done.events] == SAMPLE.audio_tags
    for event in done.events:
        path = tmp_path / SAMPLE.session_id / event.audio_tag
        assert event.local_path == str(path)
        assert path.read_bytes() == recording()
    assert len(files(tmp_path)) == 10


def test_again_they_are_the_same(tree: Tree, tmp_path: Path) -> None:
    events = events_of(tree)
    assert download(tree, tmp_path, *events) == download(tree, tmp_path, *events)


def test_progress_is_told_after_each(tree: Tree, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    download_tags(tree.s3, tree.bucket, events_of(tree), tmp_path, lambda *each: told.append(each))
    assert told == [(number, 10) for number in range(1, 11)]


def test_one_that_fails_does_not_disturb_the_others_and_leaves_nothing(
    tree: Tree, tmp_path: Path
) -> None:
    events = events_of(tree)
    tree.s3.delete_object(Bucket=tree.bucket, Key=events[3].remote_path)
    done = download(tree, tmp_path, *events)
    assert len(done.events) == 9
    (problem,) = done.problems
    assert problem.audio_tag == events[3].audio_tag
    assert "NoSuchKey" in problem.reason
    assert len(files(tmp_path)) == 9


@pytest.mark.parametrize(
    ("session_id", "audio_tag"),
    [
        ("S", "../../outside.wav"),
        ("S", "../other/x.wav"),
        ("S", "/etc/x.wav"),
        ("S", "."),
        ("S", ""),
        ("..", "x.wav"),
        ("../S", "x.wav"),
        ("", "x.wav"),
        ("S", "a\0b.wav"),
    ],
)
def test_no_name_leads_out_of_the_folder(
    tree: Tree, tmp_path: Path, session_id: str, audio_tag: str
) -> None:
    folder = tmp_path / "here"
    tree.put_one("key", b"audio")
    event = Event(session_id=session_id, audio_tag=audio_tag, remote_path="key")
    done = download(tree, folder, event)
    assert done.events == ()
    assert len(done.problems) == 1
    assert files(tmp_path) == []


def test_nothing_to_download_is_nothing(tree: Tree, tmp_path: Path) -> None:
    assert download(tree, tmp_path) == Downloads(events=(), problems=())
