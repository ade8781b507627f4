"""From the probabilities of ImageNet's classes to labels, by WordNet's hierarchy.

A model hesitates between breeds where it is sure of a cat: the probability of a synset is that of
all classes below it.
"""

from collections.abc import Iterator
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
        chance = self._cover.mean(axis=0)
        confidences = 100 * (probabilities @ self._cover - chance) / (1 - chance)
        return [self._named(row, most, least_confidence) for row in confidences]

    def top(self, probabilities: Probabilities, number: int = 5) -> list[tuple[Label, ...]]:
        """The likeliest classes of each image with their probabilities in percent."""
        return [
            tuple(self._label(place, 100 * row[place]) for place in np.argsort(-row)[:number])
            for row in probabilities
        ]

    def _named(
        self, confidences: NDArray[np.float32], most: int, least: float
    ) -> tuple[Label, ...]:
        named: dict[str, Label] = {}  # two senses of a word, one below the other, are one label
        for place in self._specific_first:
            if len(named) == most:
                break
            if confidences[place] >= least:
                label = self._label(place, confidences[place])
                named.setdefault(label.name, label)
        return tuple(named.values())

    def _label(self, place: int, confidence: float) -> Label:
        above = dict.fromkeys(self.names[each] for each in self._above(place))
        above.pop(self.names[place], None)
        return Label(
            name=self.names[place],
            confidence=round(min(float(confidence), 100.0), 2),
            parents=tuple(above),
        )

    def _above(self, place: int) -> Iterator[int]:
        """All that a synset is a kind of, the nearest first."""
        nearest = list(self.parents[place])
        for each in nearest:  # grows while it is read
            nearest += (parent for parent in self.parents[each] if parent not in nearest)
        return iter(nearest)

    @cached_property
    def _cover(self) -> NDArray[np.float32]:
        """Which classes are below which synset, as classes x synsets of zeros and ones."""
        cover = np.zeros((CLASSES, len(self.names)), np.float32)
        for each in range(CLASSES):
            cover[each, [each, *self._above(each)]] = 1
        return cover

    @cached_property
    def _specific_first(self) -> list[int]:
        """The synsets with few classes below them first, and below each other the lower first."""
        classes = self._cover.sum(axis=0)
        heights = [len(list(self._above(place))) for place in range(len(self.names))]
        return sorted(range(len(self.names)), key=lambda place: (classes[place], -heights[place]))
