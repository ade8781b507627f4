import io
import json
import wave
from datetime import date

from ingest_pipeline.sessions.names import parse_session_id, parse_tag
from ingest_pipeline.sessions.sample import recording, sample_sessions


def test_sessions_are_dealt_out_and_distinct() -> None:
    samples = list(sample_sessions(100, vehicles=["A", "B"], days=5, first_day=date(2024, 2, 27)))
    assert len({sample.session_id for sample in samples}) == 100
    assert len({sample.prefix for sample in samples}) == 100
    assert {sample.vehicle for sample in samples} == {"A", "B"}
    assert sorted({sample.started.date() for sample in samples}) == [
        date(2024, 2, 27),
        date(2024, 2, 28),
        date(2024, 2, 29),
        date(2024, 3, 1),
        date(2024, 3, 2),
    ]


def test_it_is_the_same_each_time() -> None:
    first, second = (
        [each for sample in sample_sessions(3) for each in sample.objects()] for _ in range(2)
    )
    assert first == second


def test_a_session_is_whole() -> None:
    (sample,) = sample_sessions(1, tags=5, logs=2)
    objects = dict(sample.objects())
    report_key = list(objects)[-1]
    assert report_key.endswith("logged_Upload_Report.json")
    listed = [entry["file"] for entry in json.loads(objects[report_key])["FileList"]]
    assert [sample.prefix + path for path in listed] == list(objects)[:-1]
    assert parse_session_id(sample.session_id).started == sample.started
    assert len({parse_tag(path).frame for path in sample.audio_tags}) == 5


def test_a_recording_is_valid_audio() -> None:
    with wave.open(io.BytesIO(recording())) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, 3, 2)
        assert file.getnframes() == 480
