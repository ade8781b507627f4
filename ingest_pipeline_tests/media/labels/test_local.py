import collections
import hashlib
import io
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ingest_pipeline.media.image.reader import ImageReader
from ingest_pipeline.media.labels.efficientnet import (
    EfficientNet,
    WeightsError,
    packaged_weights,
    read_pickled_tensors,
    read_weights,
)
from ingest_pipeline.media.labels.labeler import (
    Answer,
    ImageUnavailableError,
    Seen,
    Wanted,
)
from ingest_pipeline.media.labels.local import (
    MOST_BYTES,
    SIDE,
    LocalLabeler,
)
from ingest_pipeline.media.labels.wordnet import (
    CLASSES,
)
from ingest_pipeline.media.model import Label, Reason
from ingest_pipeline_tests.media import photos

WANTED = Wanted()


@dataclass(frozen=True)
class Held:
    """An image whose content is at hand."""

    held: bytes
    size: int = 1
    bucket: str = "bucket"
    key: str = "key"
    version_id: str | None = None
    container: str | None = "jpeg"

    def content(self) -> bytes:
        return self.held


class Lost(Held):
    def content(self) -> bytes:
        raise ImageUnavailableError("no answer from S3")


@pytest.fixture(scope="module")
def labeler() -> LocalLabeler:
    return LocalLabeler(threads=1)


def seen(labeler: LocalLabeler, *contents: bytes, wanted: Wanted = WANTED) -> list[Seen]:
    return [
        answer
        for answer in labeler.label([Held(each) for each in contents], wanted)
        if isinstance(answer, Seen)
    ]


def names(labels: tuple[Label, ...]) -> list[str]:
    return [label.name for label in labels]


# --- what is on real photos -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photo", "expected"),
    [
        (photos.CAT, ["cat", "animal"]),
        (photos.CUP, ["coffee", "cup", "drink", "food", "espresso"]),
        (photos.PHOTOGRAPHER, ["tripod"]),
        (photos.PAVILION, ["building"]),
        (photos.MOTORCYCLE, ["motorcycle", "vehicle"]),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_what_is_on_a_photo_is_named(
    labeler: LocalLabeler, photo: Path, expected: list[str]
) -> None:
    (found,) = seen(labeler, photo.read_bytes())
    assert names(found.labels) == expected
    assert all(75 <= label.confidence <= 100 for label in found.labels)


def held_rows() -> Iterator[tuple[Path, set[str]]]:
    """The labelled photos whose packages the tests have, and the words that are right."""
    table = Path(__file__).with_name("photos.tsv").read_text(encoding="utf-8")
    for line in table.splitlines():
        if not line.startswith("#"):
            _, package, path, checksum, words = line.split("\t")
            name = package.split()[0]
            if name in ("scikit-image", "scikit-learn"):
                file = Path(str(distribution(name).locate_file(path)))
                assert hashlib.sha256(file.read_bytes()).hexdigest() == checksum, path
                yield file, set(words.split(","))


def test_labels_of_written_down_photos_are_right(labeler: LocalLabeler) -> None:
    known = list(held_rows())
    found = seen(labeler, *(file.read_bytes() for file, _ in known))
    wrong = {
        file.name: set(names(each.labels)) - words
        for (file, words), each in zip(known, found, strict=True)
        if set(names(each.labels)) - words
    }
    assert len(known) == 19
    assert wrong == {"horse.png": {"dog"}}  # a silhouette
    assert sum(bool(each.labels) for each in found) >= 5


def test_labels_tell_what_they_are_kinds_of(labeler: LocalLabeler) -> None:
    cat, cup = seen(labeler, photos.CAT.read_bytes(), photos.CUP.read_bytes())
    assert cat.labels[0].parents == ("animal",)
    assert cup.labels[0].parents == ("cup", "drink", "food")
    assert {"coffee", "cup", "drink"} <= set(cup.labels[-1].parents)


def test_of_what_the_model_does_not_know_it_says_nothing_and_what_it_thought(
    labeler: LocalLabeler,
) -> None:
    found = seen(labeler, *(photo.read_bytes() for photo in photos.UNSURE))
    labelled = {
        photo.name: names(each.labels)
        for photo, each in zip(photos.UNSURE, found, strict=True)
        if each.labels
    }
    assert labelled == {}
    for each in found:
        assert len(each.top) == 5
        confidences = [label.confidence for label in each.top]
        assert confidences == sorted(confidences, reverse=True)
        assert 0 < sum(confidences) <= 100.1


def upright_and_lying() -> Iterator[bytes]:
    """A photo of a cat as cameras store it, held in each of the eight ways."""
    upright = Image.open(photos.CAT).convert("RGB")
    stored = [
        None,
        Image.Transpose.FLIP_LEFT_RIGHT,
        Image.Transpose.ROTATE_180,
        Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_90,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_270,
    ]
    for orientation, turn in enumerate(stored, start=1):
        tags = Image.Exif()
        tags[0x0112] = orientation
        file = io.BytesIO()
        image = upright if turn is None else upright.transpose(turn)
        image.save(file, "PNG", exif=tags)
        yield file.getvalue()


def test_however_the_camera_was_held_the_labels_are_equal(labeler: LocalLabeler) -> None:
    first, *others = seen(labeler, *upright_and_lying())
    assert names(first.labels) == ["cat", "animal"]
    assert len(others) == 7
    for other in others:
        assert names(other.labels) == names(first.labels)
        for one, two in zip(first.labels, other.labels, strict=True):
            assert one.confidence == pytest.approx(two.confidence, abs=0.5)


def test_labels_are_as_many_and_as_sure_as_wanted(labeler: LocalLabeler) -> None:
    content = photos.CAT.read_bytes()
    (few,) = seen(labeler, content, wanted=Wanted(most=1, least_confidence=75))
    assert names(few.labels) == ["cat"]
    (surer,) = seen(labeler, content, wanted=Wanted(most=5, least_confidence=98.5))
    assert names(surer.labels) == ["animal"]
    assert all(label.confidence >= 98.5 for label in surer.labels)
    (surest,) = seen(labeler, content, wanted=Wanted(most=5, least_confidence=99.9))
    assert surest.labels == ()
    assert surest.top == few.top


def test_a_batch_sees_what_single_images_do(labeler: LocalLabeler) -> None:
    some = [photo.read_bytes() for photo in (photos.CAT, photos.CUP, photos.MOTORCYCLE)]
    together = seen(labeler, *some)
    for content, in_batch in zip(some, together, strict=True):
        (alone,) = seen(labeler, content)
        assert names(alone.labels) == names(in_batch.labels)
        assert alone.top[0].confidence == pytest.approx(in_batch.top[0].confidence, abs=0.1)


def test_an_image_that_fails_does_not_disturb_its_neighbours(labeler: LocalLabeler) -> None:
    cat = photos.CAT.read_bytes()
    images = [Held(cat[:2000]), Held(cat), Lost(cat), Held(cat, size=MOST_BYTES + 1), Held(cat)]
    answers: list[Answer] = list(labeler.label(images * 4, WANTED))  # more than one batch
    assert len(answers) == 20
    for broken, sound, lost, large, last in zip(*[iter(answers)] * 5, strict=True):
        assert isinstance(broken, Reason)
        assert broken.rule == "decodable"
        assert isinstance(sound, Seen)
        assert names(sound.labels)[0] == "cat"
        assert isinstance(lost, ImageUnavailableError)
        assert str(large) == (
            f"size {MOST_BYTES + 1}, wanted at most {MOST_BYTES} bytes to be labelled"
        )
        assert last == sound


def test_no_images_are_no_answers(labeler: LocalLabeler) -> None:
    assert list(labeler.label([], WANTED)) == []


def test_others_do_not_load_the_model() -> None:
    code = (
        "import sys; from ingest_pipeline.defs.common.wiring import resources; "
        "from ingest_pipeline.settings import settings; "
        "print(resources(settings()).labeler.version); "
        "assert not {'numpy', 'onnx', 'onnxruntime'} & set(sys.modules), 'loaded'"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (
        "efficientnet-lite0-57934424/wordnet-3.0/2: at most 5 labels of at least 75 %\n"
    )


# --- the weights ----------------------------------------------------------------------------------


def test_weights_are_refused_that_are_not_the_known_ones() -> None:
    content = bytearray(packaged_weights())
    content[-1] ^= 1
    with pytest.raises(WeightsError, match=r"SHA-256 [0-9a-f]{64}, wanted 57934424"):
        read_weights(bytes(content))


def test_the_weights_are_read_whole() -> None:
    tensors = read_weights(packaged_weights())
    assert tensors["_fc.weight"].shape == (CLASSES, 1280)
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    trained = [each for name, each in tensors.items() if "running" not in name]
    assert 4_600_000 < sum(each.size for each in trained) < 4_700_000  # Lite0 has 4.65 million
    assert all(np.isfinite(each).all() for each in tensors.values())


class _Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("this was run",)


@pytest.mark.parametrize("harmful", [_Harmful(), collections.Counter("ab"), io.BytesIO])
def test_a_pickle_that_names_anything_but_tensors_is_refused(
    harmful: object, capsys: pytest.CaptureFixture[str]
) -> None:
    file = io.BytesIO(b"".join(pickle.dumps(each, 2) for each in (1, 2, {}, {"weight": harmful})))
    with pytest.raises(pickle.UnpicklingError, match="has no place among weights"):
        read_pickled_tensors(file)
    assert capsys.readouterr().out == ""


def test_the_model_gives_probabilities() -> None:
    network = EfficientNet(threads=1)
    noise = np.random.default_rng(7).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    found = network.probabilities(noise)
    assert found.shape == (3, CLASSES)
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_reader_gives_the_pixels_that_the_model_takes() -> None:
    with ImageReader() as reader:
        assert len(reader.pixels(photos.CAT.read_bytes(), SIDE)) == SIDE * SIDE * 3
