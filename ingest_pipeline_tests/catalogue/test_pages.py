from datetime import date

import pytest

from ingest_pipeline.catalogue.pages import PAGE, Catalogue, CataloguePage
from ingest_pipeline.catalogue.walk import Search
from ingest_pipeline.records.model import Asset, ObjectRef, Outcome
from ingest_pipeline.records.tables import ASSETS, IMAGE_LABELS, PREVIEWS, RENDITIONS
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.catalogue.past import Past, keys, labels, preview_of, rendition_of
from ingest_pipeline_tests.world import World


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
    world.ingest([world.put(key, wavs.valid())])
    page = Catalogue(world.tables).page(Search(name=world.bucket))
    assert keys(page) == [key]


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
    world.ingest([world.put(key, wavs.wrong_rate())])
    catalogue = Catalogue(world.tables)
    assert [c.report.outcome for c in catalogue.page(Search(name=key)).cards] == [Outcome.REJECTED]
    world.ingest([world.put(key, wavs.valid())])
    assert [c.report.outcome for c in catalogue.page(Search(name=key)).cards] == [Outcome.INDEXED]
    assert catalogue.page(Search(name=key, outcome=Outcome.REJECTED)).cards == ()


@pytest.mark.parametrize("outcome", [Outcome.DELETED, Outcome.SUPERSEDED])
def test_what_is_gone_is_shown_only_when_asked_for(past: Past, outcome: Outcome) -> None:
    past.write(past.report("gone.wav", outcome=outcome), past.report("here.wav"))
    assert past.keys() == ["here.wav"]
    assert past.keys(outcome=outcome) == ["gone.wav"]


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
    world.ingest([first])
    second = world.put("a.wav", wavs.valid())
    assert upload(catalogue, first) is Outcome.REJECTED
    assert upload(catalogue, second) is None
    world.ingest([second])
    assert upload(catalogue, second) is Outcome.INDEXED


def test_the_same_content_twice_in_a_second_is_the_newer_upload(past: Past) -> None:
    first = past.report("a", second=2, version="v1", outcome=Outcome.SUPERSEDED)
    second = past.report("a", second=1, version="v2")
    taken = {"etag": "e", "last_modified": second.judged_at}
    past.write(
        first.model_copy(update={**taken, "sequencer": "0A"}),
        second.model_copy(update={**taken, "sequencer": "0B"}),
    )
    card = past.catalogue.upload(past.world.bucket, "a", "e")
    assert card
    assert card.report.version == "v2"


def upload(catalogue: Catalogue, ref: ObjectRef) -> Outcome | None:
    card = catalogue.upload(ref.bucket, ref.key, ref.etag or "")
    return card.report.outcome if card else None


def test_outcomes_of_today_are_counted(world: World) -> None:
    catalogue = Catalogue(world.tables)
    before = catalogue.today()
    world.ingest([world.put("a.wav", wavs.valid()), world.put("b.wav", wavs.wrong_rate())])
    after = catalogue.today()
    grown = {o: after.counts[o] - before.counts[o] for o in Outcome}
    assert {o: n for o, n in grown.items() if n} == {Outcome.INDEXED: 1, Outcome.REJECTED: 1}
