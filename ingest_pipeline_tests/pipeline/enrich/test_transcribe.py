from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ingest_pipeline.aws.clients import connect
from ingest_pipeline.aws.transcribe import TranscribeTranscriber
from ingest_pipeline.errors import TransientError
from ingest_pipeline.media.model import Reason, Spoken
from ingest_pipeline.media.rules.sources import Source, Sources
from ingest_pipeline.media.speech.local import CHECKSUM, LocalTranscriber
from ingest_pipeline.media.speech.transcriber import Heard, Recording, Transcriber
from ingest_pipeline.pipeline.enrich.transcribe import Transcribing
from ingest_pipeline.pipeline.result import Done, Refused, RetryLater, values
from ingest_pipeline.records.model import ObjectRef, Outcome, Transcript
from ingest_pipeline.records.tables import TRANSCRIPTS, TRANSCRIPTS_BY_OBJECT
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.media import photos
from ingest_pipeline_tests.media.clips import AAC, H264, make_clip, run_plain_ffmpeg
from ingest_pipeline_tests.media.speech.voices import noise, voice, wav, words
from ingest_pipeline_tests.transcribe import stand_in
from ingest_pipeline_tests.world import World

VOICE = wav(voice(), channels=2)
NOISE = wav(noise(1.5), channels=2)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalTranscriber]:
    """The model, loaded once."""
    opened = LocalTranscriber(threads=1)
    yield opened
    opened.close()


@dataclass
class Prepared:
    """A transcriber that gives each answer to a size and counts what it was asked."""

    answers: dict[int, Heard | Exception] = field(default_factory=dict)
    model: str = "prepared/1"
    checksum: str | None = None
    at_once: int = 3
    asked: list[Recording] = field(default_factory=list)

    def transcribe(self, recording: Recording) -> Heard:
        self.asked.append(recording)
        some = Heard(segments=(Spoken(start=0, end=1, text="Yes.", confidence=80.0),))
        answer = self.answers.get(recording.size, some)
        if isinstance(answer, Exception):
            raise answer
        return answer


def transcribing(world: World, transcriber: Transcriber | None, **changes: Any) -> Transcribing:
    sources = Sources(
        source=(Source(bucket=world.bucket, kinds=("audio", "video", "image"), transcripts=True),)
    )
    derived = world.wired.derived.derived
    made = Transcribing(
        world.clients.s3, world.tables, derived, sources, transcriber, run_id="run-1"
    )
    return replace(made, **changes)


def ingest(world: World, **contents: bytes) -> list[ObjectRef]:
    """Upload and index; the names become keys."""
    refs = [world.put(key, content) for key, content in contents.items()]
    outcomes = world.ingest(refs)
    assert {each.outcome for each in outcomes} == {Outcome.INDEXED}, outcomes
    return refs


def rows(world: World, ref: ObjectRef) -> list[Transcript]:
    return list(world.tables.query(TRANSCRIPTS, TRANSCRIPTS_BY_OBJECT, ref.uri))


def test_a_row_says_what_is_said_or_why_nothing_is(world: World, local: LocalTranscriber) -> None:
    spoken, noisy = ingest(world, spoken=VOICE, noisy=NOISE)
    done, refused = transcribing(world, local).transcribe([spoken, noisy])
    (of_voice,), (of_noise,) = rows(world, spoken), rows(world, noisy)
    assert (done, refused) == (
        Done(world.report(spoken).ref, of_voice),
        Refused(world.report(noisy).ref, "speech no voice, wanted speech", of_noise),
    )
    assert words(of_voice.text) == words(of_voice.line) == ["front", "center"]
    assert (of_voice.bucket, of_voice.key, of_voice.version) == (
        *(spoken.bucket, "spoken"),
        spoken.version,
    )
    assert (of_voice.day, of_voice.run_id, of_voice.language) == (spoken.day, "run-1", "en")
    assert (of_voice.model, of_voice.model_checksum) == (local.model, CHECKSUM)
    assert of_voice.audio_seconds == pytest.approx(1.43, abs=0.01)
    assert of_voice.work_seconds > 0
    assert (of_noise.text, of_noise.segments, of_noise.has_text) == ("", (), False)


def test_a_video_with_sound_is_transcribed_and_a_mute_one_is_not(
    world: World, tmp_path: Path
) -> None:
    film = make_clip(tmp_path / "film.mp4", *H264, *AAC, size="160x120")
    mute = tmp_path / "mute.mp4"
    run_plain_ffmpeg("-i", film, "-an", "-c:v", "copy", mute)
    refs = ingest(world, film=film.read_bytes(), mute=mute.read_bytes())
    made = values(transcribing(world, Prepared()).transcribe(refs))
    assert [row.key for row in made] == ["film"]


def test_the_length_that_a_header_tells_is_known_before_it_is_fetched(
    world: World, tmp_path: Path
) -> None:
    transcriber = Prepared()
    film = make_clip(tmp_path / "film.mp4", *H264, *AAC, size="160x120")
    transcribing(world, transcriber).transcribe(ingest(world, spoken=VOICE, film=film.read_bytes()))
    assert sorted(round(each.seconds or 0, 1) for each in transcriber.asked) == pytest.approx(
        [1.0, 1.4], abs=0.1
    )


def test_transcribing_twice_does_it_once(world: World) -> None:
    transcriber = Prepared()
    refs = ingest(world, a=VOICE, b=NOISE)
    assert len(values(transcribing(world, transcriber).transcribe(refs))) == 2
    assert transcribing(world, transcriber).transcribe(refs) == list(map(Done, refs))
    assert transcribing(world, transcriber).missing(map(world.report, refs)) == []
    assert len(transcriber.asked) == 2
    assert {row.key for row in transcribing(world, transcriber).rows(refs)} == {"a", "b"}


def test_another_model_transcribes_again(world: World) -> None:
    refs = ingest(world, a=VOICE)
    transcribing(world, Prepared()).transcribe(refs)
    other = transcribing(world, Prepared(model="prepared/2"))
    assert [each.key for each in other.missing(map(world.report, refs))] == ["a"]
    other.transcribe(refs)
    assert {row.model for row in rows(world, refs[0])} == {"prepared/1", "prepared/2"}
    assert [row.model for row in other.rows(refs)] == ["prepared/2"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"transcriber": None}, id="no transcriber"),
        pytest.param(
            {"sources": Sources(source=(Source(bucket="x", kinds=("audio",)),))}, id="no source"
        ),
    ],
)
def test_nothing_is_missing_where_nobody_asks(world: World, changes: Any) -> None:
    refs = ingest(world, a=VOICE)
    off = replace(transcribing(world, Prepared()), **changes)
    assert off.missing(map(world.report, refs)) == []
    assert off.transcribe(refs) == list(map(Done, refs))
    assert (off.rows(refs), rows(world, refs[0])) == ([], [])


def test_only_indexed_recordings_are_transcribed(world: World) -> None:
    transcriber = Prepared()
    image, spoken, old = ingest(world, image=photos.CAT.read_bytes(), a=VOICE, replaced=NOISE)
    ingest(world, replaced=VOICE)
    world.ingest([old])
    unknown = image.model_copy(update={"key": "unknown"})
    made = values(transcribing(world, transcriber).transcribe([image, spoken, old, unknown]))
    assert [row.key for row in made] == ["a"]


def test_one_that_cannot_be_heard_now_comes_again_and_its_neighbours_do_not(world: World) -> None:
    long = wavs.valid(960)
    answers: dict[int, Heard | Exception] = {len(long): TransientError("no memory")}
    first, second = ingest(world, a=long, b=VOICE)
    failed, done = transcribing(world, Prepared(answers)).transcribe([first, second])
    assert failed == RetryLater(world.report(first).ref, "no memory")
    assert done.value is not None
    assert rows(world, first) == []


def test_no_row_is_left_of_what_was_deleted_meanwhile(world: World) -> None:
    (ref,) = ingest(world, a=VOICE)

    class Deleting(Prepared):
        def transcribe(self, recording: Recording) -> Heard:
            world.remove("a")
            world.wired.derived.derived.remove_all(ref.bucket, ref.key)
            world.ingest([ref])
            return super().transcribe(recording)

    made = transcribing(world, Deleting())
    assert made.transcribe([ref]) == [Done(ref)]
    assert rows(world, ref) == []


def test_a_version_that_is_gone_is_done(world: World, local: LocalTranscriber) -> None:
    (ref,) = ingest(world, a=VOICE)
    world.clients.s3.delete_object(Bucket=ref.bucket, Key=ref.key, VersionId=str(ref.version))
    assert transcribing(world, local).transcribe([ref]) == [Done(world.report(ref).ref)]


def test_who_shows_it_is_told_before_it_is_on_record(world: World) -> None:
    (ref,) = ingest(world, a=VOICE)
    told: list[Transcript] = []

    def tell(row: Transcript) -> None:
        assert rows(world, ref) == []
        told.append(row)

    transcribing(world, Prepared(), tell=tell).transcribe([ref])
    assert told == rows(world, ref)


def test_rows_are_found_by_key_alone(world: World) -> None:
    refs = ingest(world, a=VOICE, b=NOISE)
    made = transcribing(world, Prepared())
    made.transcribe(refs[:1])
    by_key = [ObjectRef(bucket=r.bucket, key=r.key, arrived=r.arrived) for r in refs]
    assert made.standing_rows(by_key) == rows(world, refs[0])
    assert transcribing(world, None).standing_rows(by_key) == []


def test_a_reason_is_on_record(world: World) -> None:
    (ref,) = ingest(world, a=VOICE)
    reason = Reason(rule="silence", found="silence", wanted="sound")
    transcriber = Prepared({len(VOICE): Heard(audio_seconds=1.4, reason=reason)})
    transcribing(world, transcriber).transcribe([ref])
    (row,) = rows(world, ref)
    assert (row.reason, row.audio_seconds, row.has_text) == (reason, 1.4, False)
    assert transcribing(world, transcriber).missing([world.report(ref)]) == []


def test_a_recording_that_amazon_transcribe_works_on_comes_again_until_it_has_its_row(
    world: World,
) -> None:
    (ref,) = ingest(world, a=VOICE)
    with stand_in() as service:
        update = {"transcribe_endpoint": service.endpoint}
        clients = connect(world.settings.model_copy(update=update))
        bucket = world.settings.rendition_bucket
        engine = TranscribeTranscriber(clients, bucket, patience_seconds=0)
        made = transcribing(world, engine)
        (waiting,) = made.transcribe([ref])
        assert isinstance(waiting, RetryLater)
        assert (rows(world, ref), [each.key for each in made.missing([world.report(ref)])]) == (
            [],
            ["a"],
        )
        service.complete(clients)
        (done,) = made.transcribe([ref])
        assert made.transcribe([ref]) == [Done(ref)]
    (row,) = rows(world, ref)
    assert done == Done(world.report(ref).ref, row)
    assert row.line == "Welcome to Amazon Transcribe. Front center"
    assert (row.model, row.model_checksum, row.language) == ("transcribe/en-US/1", None, "en")
    assert row.audio_seconds == pytest.approx(1.43, abs=0.01)
    assert row.work_seconds == 12.5
    assert [each["Media"]["MediaFileUri"] for each in service.requests] == [ref.uri] * 2
