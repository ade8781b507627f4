import pytest

from ingest_pipeline.records.places import (
    is_thumbnail,
    named_objects,
    picture_place,
    poster_place,
    rendition_place,
    thumbnails_folder,
)

KEYS = [
    "a",
    "a/b",
    "a.jpg",
    "a.webp",
    "a/00001.png",
    "a/",
    "/a",
    "//a//b",
    "..",
    "../a",
    "new\nline",
    "tab\tand \x01",
    "Ü/日本語/🎵.wav",
    "~" + "0" * 32,
    "k" * 1000,
]
BUCKETS = ["one", "two"]


@pytest.mark.parametrize("key", KEYS)
def test_each_place_names_the_key_that_it_is_of(key: str) -> None:
    wanted = [(bucket, key) for bucket in BUCKETS]
    assert named_objects(rendition_place("web", key), BUCKETS) == wanted
    assert named_objects(poster_place("web", key), BUCKETS) == wanted
    assert named_objects(f"{thumbnails_folder('web', key)}00001.png", BUCKETS) == wanted
    assert named_objects(picture_place("previews", "one", key), BUCKETS) in ([wanted[0]], [])
    assert named_objects(picture_place("strips", "two", key), BUCKETS) in ([wanted[1]], [])


@pytest.mark.parametrize("key", KEYS[:-2])
def test_a_picture_tells_its_object_where_the_key_fits(key: str) -> None:
    assert named_objects(picture_place("previews", "one", key), BUCKETS) == [("one", key)]


def test_no_two_keys_share_a_place() -> None:
    places = [
        place
        for key in KEYS
        for place in (
            rendition_place("web", key),
            poster_place("web", key),
            f"{thumbnails_folder('web', key)}00001.png",
            picture_place("previews", "one", key),
        )
    ]
    assert len(set(places)) == len(places)


def test_thumbnails_of_keys_below_a_key_are_none_of_its_own() -> None:
    folder = thumbnails_folder("web", "a")
    below = f"{thumbnails_folder('web', 'a/00001.png')}00001.png"
    assert below.startswith(folder)
    assert not is_thumbnail(below.removeprefix(folder))
    assert is_thumbnail("00001.png")
    assert is_thumbnail("99999.jpg")
    for other in ("1.png", "00001.gif", "00001.png/", "x00001.png", "00001.png\n", "poster.jpg"):
        assert not is_thumbnail(other)


@pytest.mark.parametrize("key", ["k" * 1024, "ü" * 512, "k" * 1015])
def test_a_picture_of_the_longest_key_has_a_place_of_its_own(key: str) -> None:
    place = picture_place("previews", "one", key)
    assert len(place.encode()) <= 1024
    assert place != picture_place("previews", "one", f"{key[:-1]}x")
    assert named_objects(place, BUCKETS) == []


@pytest.mark.parametrize(
    "place",
    [
        "transcoding/token/video.mp4",
        "output/",
        "output/web/",
        "posters/web/",
        "thumbnails/web/00001.png",
        "thumbnails/00001.png",
        "previews/",
        "previews/one/",
        "previews//a.webp",
        "previews/one/.webp",
        "previews",
        "",
        "elsewhere/web/a",
    ],
)
def test_what_is_nobodys_place_names_nothing(place: str) -> None:
    """A console makes empty files for folders; no table takes an empty key."""
    assert named_objects(place, BUCKETS) == []
