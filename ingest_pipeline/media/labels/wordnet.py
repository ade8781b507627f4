"""From the probabilities of ImageNet's classes to labels, by WordNet's hierarchy.

A model hesitates between breeds where it is sure of a cat: the probability of a synset is that of
all classes below it.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ingest_pipeline.media.model import Label

Probabilities = NDArray[np.float32]  # images x classes; each row sums to 1
CLASSES = 1000
HIERARCHY = Path(__file__).with_name("imagenet") / "hierarchy.tsv"


@dataclass(frozen=True)
class Hierarchy:
    """The synsets, the classes first, and of each the synsets that it is directly a kind of."""

    names: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]

    @classmethod
    def load(cls, path: Path = HIERARCHY) -> Self:
        """Read the file that the README beside it describes."""
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        number = {row[0]: position for position, row in enumerate(rows)}
        return cls(
            names=tuple(row[1] for row in rows),
            parents=tuple(tuple(number[synset] for synset in row[2:]) for row in rows),
        )

    def labels(
        self, probabilities: Probabilities, *, most: int, least_confidence: float
    ) -> list[tuple[Label, ...]]:
        """The most specific labels of each image, at most `most`, of `least_confidence` percent.

        A confidence is how far a probability lies above chance: `animal` covers 40 % of the
        classes, so a picture of nothing has that much of it.
        """
        members, starts = self._members
        sums = np.add.reduceat(probabilities[:, members], starts, axis=1)
        confidences = 100 * (sums - self._chance) / (1 - self._chance)
        return [self._named(row, most, least_confidence) for row in confidences]

    def top(self, probabilities: Probabilities, number: int = 5) -> list[tuple[Label, ...]]:
        """The likeliest classes of each image with their probabilities in percent."""
        likeliest = np.argsort(-probabilities, axis=1)[:, :number]
        return [
            tuple(self._label(place, 100 * row[place]) for place in places)
            for row, places in zip(probabilities, likeliest.tolist(), strict=True)
        ]

    def _named(
        self, confidences: NDArray[np.float32], most: int, least: float
    ) -> tuple[Label, ...]:
        named: dict[str, Label] = {}  # two senses of a word, one below the other, are one label
        order = self._specific_first
        for place in order[confidences[order] >= least].tolist():
            if len(named) == most:
                break
            label = self._label(place, confidences[place])
            named.setdefault(label.name, label)
        return tuple(named.values())

    def _label(self, place: int, confidence: float) -> Label:
        above = dict.fromkeys(self.names[each] for each in self._above[place])
        above.pop(self.names[place], None)
        return Label(
            name=self.names[place],
            confidence=round(min(float(confidence), 100.0), 2),
            parents=tuple(above),
        )

    @cached_property
    def _above(self) -> list[list[int]]:
        """All that each synset is a kind of, the nearest first."""
        return [self._ancestors(place) for place in range(len(self.names))]

    def _ancestors(self, place: int) -> list[int]:
        nearest = list(self.parents[place])
        for each in nearest:  # grows while it is read
            nearest += (parent for parent in self.parents[each] if parent not in nearest)
        return nearest

    @cached_property
    def _classes(self) -> list[list[int]]:
        """The classes below each synset, which is never none; a class is below itself."""
        below: list[list[int]] = [[] for _ in self.names]
        for each in range(CLASSES):
            for place in (each, *self._above[each]):
                below[place].append(each)
        return below

    @cached_property
    def _members(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The classes of all synsets in a row, and where each synset's begin.

        Summing these takes a tenth of what the product with a matrix of zeros and ones does.
        """
        counts = [len(classes) for classes in self._classes]
        return np.concatenate(self._classes), np.cumsum([0, *counts[:-1]])

    @cached_property
    def _chance(self) -> NDArray[np.float32]:
        """Each synset's share of the classes."""
        return np.array([len(classes) / CLASSES for classes in self._classes], np.float32)

    @cached_property
    def _specific_first(self) -> NDArray[np.intp]:
        """The synsets with few classes below them first, and below each other the lower first."""

        def height(place: int) -> tuple[int, int]:
            return len(self._classes[place]), -len(self._above[place])

        return np.array(sorted(range(len(self.names)), key=height), np.intp)
