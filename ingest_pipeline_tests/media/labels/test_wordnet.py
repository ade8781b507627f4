import numpy as np
import pytest

from ingest_pipeline.media.labels.wordnet import (
    CLASSES,
    HIERARCHY,
    Hierarchy,
)
from ingest_pipeline.media.model import Label


@pytest.fixture(scope="module")
def hierarchy() -> Hierarchy:
    return Hierarchy.load()


def names(labels: tuple[Label, ...]) -> list[str]:
    return [label.name for label in labels]


def test_the_classes_come_first_in_the_models_order(hierarchy: Hierarchy) -> None:
    classes = HIERARCHY.with_name("classes.txt").read_text().split()
    rows = [line.split("\t")[0] for line in HIERARCHY.read_text().splitlines()]
    assert len(classes) == CLASSES
    assert classes == sorted(classes)
    assert rows[:CLASSES] == classes
    assert hierarchy.names[285] == "Egyptian cat"
    assert hierarchy.names[967] == "espresso"


def test_nothing_vague_is_left_in_the_hierarchy(hierarchy: Hierarchy) -> None:
    vague = {
        line.split()[0]
        for line in HIERARCHY.with_name("vague.txt").read_text().splitlines()
        if not line.startswith("#")
    }
    rows = {line.split("\t")[0] for line in HIERARCHY.read_text().splitlines()}
    assert len(vague) > 100
    assert not vague & rows
    assert not {"entity", "object", "whole", "artifact"} & set(hierarchy.names)


def certain(
    hierarchy: Hierarchy, **shares: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Probabilities of these classes, by name; the rest is spread over all."""
    rest = (1 - sum(shares.values())) / CLASSES
    row = np.full((1, CLASSES), rest, np.float32)
    for name, share in shares.items():
        row[0, hierarchy.names.index(name.replace("_", " "))] += share
    return row


def labels(hierarchy: Hierarchy, **shares: float) -> dict[str, float]:
    (found,) = hierarchy.labels(certain(hierarchy, **shares), most=5, least_confidence=75)
    return {label.name: label.confidence for label in found}


def test_a_model_that_hesitates_between_breeds_is_sure_of_the_animal(hierarchy: Hierarchy) -> None:
    found = labels(hierarchy, tabby=0.4, tiger_cat=0.3, Egyptian_cat=0.25)
    assert list(found) == ["cat", "animal"]
    assert found["cat"] > 95


def test_a_picture_of_nothing_is_no_animal_though_40_percent_of_the_classes_are(
    hierarchy: Hierarchy,
) -> None:
    assert labels(hierarchy) == {}


def test_everyday_words_come_first_and_then_the_class(hierarchy: Hierarchy) -> None:
    assert list(labels(hierarchy, golden_retriever=1)) == ["dog", "animal", "golden retriever"]
    assert list(labels(hierarchy, golden_retriever=0.6, beagle=0.35)) == ["dog", "animal"]
    assert list(labels(hierarchy, lycaenid=1)) == ["butterfly", "insect", "animal"]


def test_no_label_of_any_class_is_a_word_of_taxonomy(hierarchy: Hierarchy) -> None:
    rows = [line.split("\t") for line in HIERARCHY.read_text().splitlines()]
    scholarly = {row[1] for row in rows[CLASSES:]} - set(hierarchy.words) - set(hierarchy.names)
    assert {"vertebrate", "carnivore", "feline", "invertebrate"} <= scholarly
    for each in hierarchy.labels(np.eye(CLASSES, dtype=np.float32), most=5, least_confidence=75):
        said = set(names(each)) | {parent for label in each for parent in label.parents}
        assert not said & scholarly
        assert not {"lycaenid", "isopod"} & said


def test_parents_are_the_wider_words(hierarchy: Hierarchy) -> None:
    (found,) = hierarchy.labels(certain(hierarchy, bagel=1), most=20, least_confidence=75)
    assert [(label.name, label.parents) for label in found] == [
        ("bread", ("food",)),
        ("food", ()),
        ("bagel", ("bread", "food")),
    ]


def test_a_class_without_a_doubt_is_a_hundred_percent(hierarchy: Hierarchy) -> None:
    assert set(labels(hierarchy, espresso=1).values()) == {100.0}
