from datetime import UTC, datetime

from ingest_pipeline.defs.enrichment.metadata import (
    describe_labels,
    describe_previews,
    labels_tally,
    preview_tally,
)
from ingest_pipeline.media.model import Kind, Label, Reason
from ingest_pipeline.records.model import ImageLabels, Preview
from ingest_pipeline_tests.defs.runs import records

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = Reason(rule="drawable", found="no frame", wanted="a picture")


def preview(key: str, **fields: object) -> Preview:
    known = {
        "bucket": "b",
        "key": key,
        "version": "v1",
        "day": "2026-03-01",
        "kind": Kind.AUDIO,
        "preview_bucket": "r",
        "made_at": NOON,
    }
    return Preview.model_validate(known | fields)


def labels(key: str, **fields: object) -> ImageLabels:
    known = {
        "bucket": "b",
        "key": key,
        "version": "v1",
        "day": "2026-03-01",
        "model": "m",
        "max_labels": 5,
        "min_confidence": 75,
        "made_at": NOON,
    }
    return ImageLabels.model_validate(known | fields)


def test_previews_are_counted_by_kind_and_those_without_a_picture_say_why() -> None:
    tally = preview_tally()
    drawn = preview("a.wav", preview_key="p", width=960, height=160, size=1234)
    tally.add([drawn, preview("b.mp4", kind=Kind.VIDEO, reason=REASON)])
    shown = {
        name: each.value
        for name, each in describe_previews(
            tally, [(drawn, "data:image/webp;base64,x")], "http://localhost"
        ).items()
        if name != "table"
    }
    assert (shown["previews"], shown["without"], shown["dagster/row_count"]) == (1, 1, 2)
    assert shown["kinds"] == {"audio": 1, "video": 1}
    assert shown["pictures"] == "![preview](data:image/webp;base64,x)"
    assert records(describe_previews(tally, [], "")["table"]) == [
        ["b/a.wav", "audio", "960x160", 1234, ""],
        ["b/b.mp4", "video", "", None, str(REASON)],
    ]


def test_of_many_previews_all_are_counted_and_the_first_are_shown() -> None:
    tally = preview_tally()
    for start in range(0, 300, 100):
        tally.add([preview(f"{n}.wav", preview_key="p") for n in range(start, start + 100)])
    shown = describe_previews(tally, [], "http://localhost")
    assert shown["previews"].value == 300
    assert records(shown["table"])[-1][0] == "and 200 more"


def test_labels_tell_what_was_made_now_and_what_stood_there() -> None:
    tally = labels_tally()
    dog = Label(name="Beagle", confidence=90.6, parents=("Dog", "Animal"))
    other = Label(name="Hound", confidence=80, parents=("Dog",))
    tally.add(
        [
            labels("a.jpg", labels=(dog, other), top=(dog,), run_id="now"),
            labels("b.jpg", run_id="before"),
            labels("c.jpg", reason=REASON, run_id="now"),
        ]
    )
    shown = describe_labels(tally, "now", None)
    numbers = {name: each.value for name, each in shown.items() if name != "table"}
    assert numbers == {
        "images": 3,
        "dagster/row_count": 3,
        "labelled now": 2,
        "with labels": 1,
        "not labelled": 1,
    }
    assert records(shown["table"]) == [
        ["b/a.jpg", "Beagle 91, Hound 80", "Dog, Animal", "Beagle 91", ""],
        ["b/b.jpg", "", "", "", ""],
        ["b/c.jpg", "", "", "", str(REASON)],
    ]
    assert describe_labels(tally, "now", "data:x")["picture"].value == "![thumbnail](data:x)"
