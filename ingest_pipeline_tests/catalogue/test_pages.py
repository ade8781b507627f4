import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest

from ingest_pipeline.aws.cursors import InvalidCursorError
from ingest_pipeline.catalogue.pages import (
    PAGE,
    Catalogue,
    CataloguePage,
)
from ingest_pipeline.catalogue.walk import Search
from ingest_pipeline.media.model import Kind, Label, Probe
from ingest_pipeline.records.model import (
    ArrivalDay,
    Asset,
    ImageLabels,
    ObjectRef,
    Outcome,
    Preview,
    Rendition,
    Report,
    Verdict,
)
from ingest_pipeline.records.tables import (
    ASSETS,
    DAYS,
    IMAGE_LABELS,
    PREVIEWS,
    RENDITIONS,
    REPORTS,
)
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.world import World

_free_years = count(1200)  # each test has a year of arrivals for itself, far from those of others


class Past:
    """A year in which nothing arrived but what a test puts there."""

    def __init__(self, world: World) -> None:
        self.year = next(_free_years)
        self.world = world
        self.catalogue = Catalogue(world.tables)
        self.days: set[str] = set()

    def report(self, key: str, day: int = 1, *, second: int = 0, **fields: object) -> Report:
        """A report of an object that arrived on that day of the year."""
        at = datetime(self.year, 1, 1, 12, tzinfo=UTC) + timedelta(days=day - 1, seconds=second)
        return Report.model_validate(
            {
                "bucket": self.world.bucket,
                "key": key,
                "version": "v1",
                "day": at.strftime("%Y-%m-%d"),
                "probe": Probe(kind=Kind.AUDIO, container="wav"),
                "verdict": Verdict.VALID,
                "outcome": Outcome.INDEXED,
                "judged_at": at,
            }
            | fields
        )

    def write(self, *reports: Report) -> None:
        self.world.tables.put(REPORTS, reports)
        days = {report.day for report in reports}
        self.world.tables.put(DAYS, [ArrivalDay(day=day) for day in days])
        self.days |= days

    def forget(self) -> None:
        """Leave no day behind that other tests would walk over."""
        for day in self.days:
            self.world.tables.delete(DAYS, DAYS.key(ArrivalDay(day=day)))

    def page(self, cursor: str | None = None, /, **search: object) -> CataloguePage:
        bounds = {"first": date(self.year, 1, 1), "last": date(self.year, 12, 31)}
        return self.catalogue.page(Search.model_validate(bounds | search), cursor)

    def keys(self, **search: object) -> list[str]:
        return keys(self.page(None, **search))

    def all_pages(self, **search: object) -> list[CataloguePage]:
        pages = [self.page(None, **search)]
        while cursor := pages[-1].cursor:
            pages.append(self.page(cursor, **search))
        return pages


def keys(page: CataloguePage) -> list[str]:
    return [card.report.key for card in page.cards]


@pytest.fixture
def past(world: World) -> Iterator[Past]:
    past = Past(world)
    yield past
    past.forget()


# --- pages ----------------------------------------------------------------------------------------


def test_a_catalogue_of_nothing_is_one_empty_page(past: Past) -> None:
    assert past.page() == CataloguePage(cards=())


def test_objects_come_newest_first_across_days(past: Past) -> None:
    past.write(past.report("b", 1, second=1), past.report("a", 1), past.report("c", 9))
    past.write(past.report("d", 200))
    assert past.keys() == ["d", "c", "b", "a"]


@pytest.mark.parametrize("days", [1, 7, 150])
def test_pages_hold_each_object_once_and_in_order(past: Past, days: int) -> None:
    total = 2 * PAGE + 5
    reports = [past.report(f"{n}", 1 + n * days // total, second=n) for n in range(total)]
    past.write(*reports)
    pages = past.all_pages()
    assert [key for page in pages for key in keys(page)] == [str(n) for n in range(total)][::-1]
    assert all(len(page.cards) <= PAGE for page in pages)


def test_there_is_no_empty_last_page(past: Past) -> None:
    past.write(*(past.report(f"{n}", second=n) for n in range(PAGE)))
    page = past.page()
    assert len(page.cards) == PAGE
    assert page.cursor is None


def test_what_arrives_meanwhile_does_not_move_the_next_page(past: Past) -> None:
    past.write(*(past.report(f"{n}", second=n) for n in range(PAGE + 3)))
    cursor = past.page().cursor
    past.write(past.report("new", second=500))
    assert keys(past.page(cursor)) == ["2", "1", "0"]


def test_an_object_of_today_is_shown_before_its_day_is_on_record(world: World) -> None:
    key = f"{world.bucket}.wav"
    world.take_in([world.put(key, wavs.valid())])
    page = Catalogue(world.tables).page(Search(name=world.bucket))
    assert keys(page) == [key]


def test_a_search_that_matches_little_pauses_and_says_how_far_it_came(past: Past) -> None:
    past.write(*(past.report(f"{day}.wav", day) for day in range(1, 101)))
    past.write(past.report("needle.wav", 1, second=1))
    pages = past.all_pages(name="needle")
    assert [keys(page) for page in pages] == [[], [], [], ["needle.wav"]]
    assert [page.searched_to for page in pages] == [
        (date(past.year, 1, 1) + timedelta(days=day - 1)).isoformat() for day in (70, 40, 10)
    ] + [None]


# --- versions -------------------------------------------------------------------------------------


def test_a_key_has_one_card_of_its_newest_version(past: Past, world: World) -> None:
    old = past.report("a.wav", 1)
    new = past.report("a.wav", 40, version="v2")
    past.write(old, new)
    world.tables.put(
        ASSETS,
        [
            Asset(
                bucket=world.bucket,
                file="a.wav",
                version="v2",
                day=new.day,
                last_modified=new.judged_at,
                judged_at=new.judged_at,
            )
        ],
    )
    (card,) = past.page().cards
    assert card.report == new
    assert past.keys(last=date(past.year, 1, 31)) == []


def test_a_refused_file_that_a_valid_one_replaced_is_shown_no_more(world: World) -> None:
    key = f"{world.bucket}.wav"
    world.take_in([world.put(key, wavs.wrong_rate())])
    catalogue = Catalogue(world.tables)
    assert [c.report.outcome for c in catalogue.page(Search(name=key)).cards] == [Outcome.REJECTED]
    world.take_in([world.put(key, wavs.valid())])
    assert [c.report.outcome for c in catalogue.page(Search(name=key)).cards] == [Outcome.INDEXED]
    assert catalogue.page(Search(name=key, outcome=Outcome.REJECTED)).cards == ()


@pytest.mark.parametrize("outcome", [Outcome.DELETED, Outcome.SUPERSEDED])
def test_what_is_gone_is_shown_only_when_asked_for(past: Past, outcome: Outcome) -> None:
    past.write(past.report("gone.wav", outcome=outcome), past.report("here.wav"))
    assert past.keys() == ["here.wav"]
    assert past.keys(outcome=outcome) == ["gone.wav"]


# --- filters --------------------------------------------------------------------------------------


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


def labels(report: Report, *seen: Label, model: str = "m") -> ImageLabels:
    return ImageLabels(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        day=report.day,
        model=model,
        max_labels=5,
        min_confidence=75,
        labels=seen,
        made_at=report.judged_at,
    )


# --- cursors --------------------------------------------------------------------------------------


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def change_day(cursor: str) -> str:
    _, inner = json.loads(base64.urlsafe_b64decode(cursor))
    return encoded(["2000-01-01", inner])


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


# --- one object -----------------------------------------------------------------------------------


def test_cards_have_their_pictures(past: Past, world: World) -> None:
    report, bare = past.report("a.wav", second=1), past.report("b.wav")
    past.write(report, bare)
    preview = preview_of(report)
    world.tables.put(PREVIEWS, [preview])
    assert [card.preview for card in past.page().cards] == [preview, None]


def test_the_whole_of_a_version_has_only_what_belongs_to_it(past: Past, world: World) -> None:
    old, new = past.report("a", version="v1"), past.report("a", version="v2")
    past.write(old, new)
    world.tables.put(PREVIEWS, map(preview_of, (old, new)))
    world.tables.put(IMAGE_LABELS, [labels(each, model=m) for each in (old, new) for m in "ab"])
    world.tables.put(RENDITIONS, map(rendition_of, (old, new)))
    whole = past.catalogue.whole(world.bucket, "a", "v2")
    assert whole
    assert (whole.report, whole.preview) == (new, preview_of(new))
    assert whole.renditions == (rendition_of(new),)
    assert whole.labels == (labels(new, model="a"), labels(new, model="b"))
    assert past.catalogue.whole(world.bucket, "a", "v3") is None


def test_an_upload_is_found_by_its_content(world: World) -> None:
    catalogue = Catalogue(world.tables)
    first = world.put("a.wav", wavs.wrong_rate())
    assert upload(catalogue, first) is None
    world.take_in([first])
    second = world.put("a.wav", wavs.valid())
    assert upload(catalogue, first) is Outcome.REJECTED
    assert upload(catalogue, second) is None
    world.take_in([second])
    assert upload(catalogue, second) is Outcome.INDEXED


def upload(catalogue: Catalogue, ref: ObjectRef) -> Outcome | None:
    card = catalogue.upload(ref.bucket, ref.key, ref.etag or "")
    return card.report.outcome if card else None


def test_outcomes_of_today_are_counted(world: World) -> None:
    catalogue = Catalogue(world.tables)
    before = catalogue.today()
    world.take_in([world.put("a.wav", wavs.valid()), world.put("b.wav", wavs.wrong_rate())])
    after = catalogue.today()
    grown = {o: after.counts[o] - before.counts[o] for o in Outcome}
    assert {o: n for o, n in grown.items() if n} == {Outcome.INDEXED: 1, Outcome.REJECTED: 1}


def preview_of(report: Report) -> Preview:
    return Preview(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        day=report.day,
        kind=Kind.AUDIO,
        preview_bucket="ingest-renditions",
        preview_key=f"previews/{report.key}.png",
        made_at=report.judged_at,
    )


def rendition_of(report: Report) -> Rendition:
    return Rendition(
        bucket=report.bucket,
        key=report.key,
        version=report.version,
        preset="Web",
        day=report.day,
        rendition_bucket="ingest-renditions",
        rendition_key=f"output/web/{report.key}",
        content_type="video/mp4",
        size=1,
        duration_seconds=1,
        width=2,
        height=2,
        bit_rate=1,
        engine="ffmpeg",
        seconds_taken=1,
        made_at=report.judged_at,
    )
