import base64
import json
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from ingest_pipeline.aws.cursors import InvalidCursorError
from ingest_pipeline.catalogue.pages import PAGE
from ingest_pipeline.media.model import Kind, Label, Probe, Spoken
from ingest_pipeline.records.model import Outcome, Transcript, Verdict
from ingest_pipeline.records.tables import IMAGE_LABELS, MOST_WORDS, TRANSCRIPTS
from ingest_pipeline_tests.catalogue.past import Past, keys, labels
from ingest_pipeline_tests.world import World


def test_a_search_that_matches_little_pauses_and_says_how_far_it_came(past: Past) -> None:
    past.write(*(past.report(f"{day}.wav", day) for day in range(1, 101)))
    past.write(past.report("needle.wav", 1, second=1))
    pages = past.all_pages(name="needle")
    assert [keys(page) for page in pages] == [[], [], [], ["needle.wav"]]
    assert [page.searched_to for page in pages] == [
        (date(past.year, 1, 1) + timedelta(days=day - 1)).isoformat() for day in (70, 40, 10)
    ] + [None]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("übung", ["Folder/ÜBUNG 1.wav"]),
        ("ÜBUNG", ["Folder/ÜBUNG 1.wav"]),
        ("folder/", ["Folder/ÜBUNG 1.wav"]),
        ("%_", ["50 %_off.wav"]),
        ('"', ['say "hi".wav']),
        ("🎙", ["🎙️.wav"]),
        ("nothing like it", []),
    ],
)
def test_names_are_found_by_a_part_in_any_case(past: Past, name: str, found: list[str]) -> None:
    names = ["Folder/ÜBUNG 1.wav", "50 %_off.wav", 'say "hi".wav', "🎙️.wav"]
    past.write(*(past.report(each) for each in names))
    assert past.keys(name=name) == found


def test_filters_by_kind_outcome_and_day_are_met_together(past: Past) -> None:
    image = Probe(kind=Kind.IMAGE, container="png")
    past.write(
        past.report("a.wav", 1),
        past.report("b.png", 2, probe=image),
        past.report("c.wav", 3, outcome=Outcome.REJECTED, verdict=Verdict.REJECTED),
        past.report("d.png", 4, probe=image, outcome=Outcome.KEPT),
        past.report("unread", 5, probe=None, outcome=Outcome.FAILED, verdict=Verdict.UNJUDGED),
    )
    assert past.keys(kind=Kind.IMAGE) == ["d.png", "b.png"]
    assert past.keys(outcome=Outcome.REJECTED) == ["c.wav"]
    assert past.keys(kind=Kind.IMAGE, outcome=Outcome.KEPT) == ["d.png"]
    bounds = {"first": date(past.year, 1, 2), "last": date(past.year, 1, 3)}
    assert past.keys(**bounds) == ["c.wav", "b.png"]
    assert past.keys(first=date(past.year, 1, 3), last=date(past.year, 1, 2)) == []


@pytest.mark.parametrize("label", ["cat", "Domestic CAT", "animal"])
def test_images_are_found_by_what_is_seen_on_them(past: Past, world: World, label: str) -> None:
    image = Probe(kind=Kind.IMAGE, container="jpeg")
    cats = [past.report(f"{n}.jpg", n, probe=image) for n in (1, 2)]
    dog = past.report("dog.jpg", 3, probe=image)
    past.write(*cats, dog)
    seen = Label(name="Domestic Cat", confidence=92.5, parents=("Cat", "Animal"))
    world.tables.put(IMAGE_LABELS, [labels(cat, seen) for cat in cats])
    world.tables.put(IMAGE_LABELS, [labels(dog, Label(name="Dog", confidence=99.0))])
    assert past.keys(label=label) == ["2.jpg", "1.jpg"]
    assert past.keys(label=label, name="1") == ["1.jpg"]
    assert past.keys(label=label, outcome=Outcome.REJECTED) == []


def test_pages_of_a_label_hold_each_image_once(past: Past, world: World) -> None:
    image = Probe(kind=Kind.IMAGE, container="jpeg")
    reports = [past.report(f"{n}.jpg", 1 + n // 10, probe=image) for n in range(PAGE + 10)]
    past.write(*reports)
    world.tables.put(IMAGE_LABELS, [labels(r, Label(name="x", confidence=80)) for r in reports])
    found = [key for page in past.all_pages(label="x") for key in keys(page)]
    assert sorted(found) == sorted(report.key for report in reports)


@pytest.mark.parametrize("said", ["wet road", "ROAD.  On", "straße", "left"])
def test_recordings_are_found_by_what_is_said_in_them(past: Past, world: World, said: str) -> None:
    wet, dry, long = (past.report(f"{name}.wav", 1) for name in ("wet", "dry", "long"))
    past.write(wet, dry, long)
    texts = [
        (wet, ["It's a wet road.", "On the Straße, left."]),
        (dry, ["It's dry."]),
        (long, ["x" * MOST_WORDS, "wet road. on the straße, left"]),
    ]
    rows = [
        Transcript(
            bucket=report.bucket,
            key=report.key,
            version=report.version,
            day=report.day,
            model="m",
            segments=[Spoken(start=0, end=1, text=text, confidence=90) for text in spoken],
            made_at=report.judged_at,
        )
        for report, spoken in texts
    ]
    world.tables.put(TRANSCRIPTS, rows)
    assert past.keys(said=said) == ["wet.wav"]
    assert past.keys(said=said, name="dry") == []
    assert past.keys(said=said, label="dog") == []


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "tampered",
    [
        lambda _: "rubbish",
        lambda _: "💥",
        lambda cursor: cursor[:-8],
        lambda _: encoded({}),
        lambda _: encoded(["yesterday", None]),
        lambda _: encoded(["2020-01-01", None, 1]),
        lambda _: encoded(["2020-01-01' OR 1=1", None]),
    ],
)
def test_a_tampered_cursor_is_refused(past: Past, tampered: Callable[[str], str]) -> None:
    past.write(*(past.report(f"{n}", second=n) for n in range(PAGE + 1)))
    cursor = past.page().cursor
    assert cursor
    with pytest.raises(InvalidCursorError):
        past.page(tampered(cursor))


def test_a_cursor_that_was_tampered_with_inside_is_refused(past: Past) -> None:
    past.write(*(past.report(f"{n}", second=n) for n in range(PAGE + 1)))
    cursor = past.page().cursor
    assert cursor
    day, inner = json.loads(base64.urlsafe_b64decode(cursor))
    for wrong in ("rubbish", encoded({"day": {"S": "2000-01-01"}}), encoded({"day": {"S": day}})):
        with pytest.raises(InvalidCursorError):
            past.page(encoded([day, wrong]))
    assert keys(past.page(encoded([day, inner]))) == ["0"]
