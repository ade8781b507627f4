"""From the probabilities of ImageNet's classes to the words that people use.

A model hesitates between breeds where it is sure of a cat: the probability of a word is that of
all classes below the synsets of WordNet that it stands for.
"""

from collections.abc import Mapping
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
EVERYDAY = HIERARCHY.with_name("everyday.tsv")

# Below 1 makes the model surer: it was trained with smoothed answers, so it says less than it
# knows. Chosen, like the next, on photos whose content is written down: docs/limits.md.
_TEMPERATURE = 0.8
_LEAST_OF_A_CLASS = 90.0  # percent: breeds and species are more often wrong than the words above


@dataclass(frozen=True)
class Hierarchy:
    """The classes, and of each everyday word the classes that it covers, narrow words first."""

    names: tuple[str, ...]  # of the classes
    words: Mapping[str, frozenset[int]]
    unsaid: frozenset[int]  # the classes whose own name is no label

    @classmethod
    def load(cls, path: Path = HIERARCHY, everyday: Path = EVERYDAY) -> Self:
        """Read the files that the README beside them describes."""
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        number = {row[0]: position for position, row in enumerate(rows)}
        below: dict[str, set[int]] = {row[0]: set() for row in rows}
        for position, (synset, *_) in enumerate(rows[:CLASSES]):
            above = [synset]
            for each in above:  # grows while it is read
                below[each].add(position)
                above += (one for one in rows[number[each]][2:] if one not in above)
        lines = everyday.read_text(encoding="utf-8").splitlines()
        words = {
            word: frozenset[int]().union(*(below[each] for each in synsets.split()))
            for word, _, synsets in (
                line.partition("\t") for line in lines if not line.startswith("#")
            )
        }
        return cls(
            names=tuple(row[1] for row in rows[:CLASSES]),
            unsaid=words.pop("-"),
            words=dict(sorted(words.items(), key=lambda each: len(each[1]))),
        )

    def labels(
        self, probabilities: Probabilities, *, most: int, least_confidence: float
    ) -> list[tuple[Label, ...]]:
        """What each image shows, at most `most` labels of `least_confidence` percent.

        Everyday words come first, the narrow ones before the broad; then the class, where it is
        nearly certain. A confidence is how far a probability lies above chance: `animal` covers
        40 % of the classes, so a picture of nothing has that much of it.
        """
        sharp = probabilities ** np.float32(1 / _TEMPERATURE)
        sharp /= sharp.sum(axis=1, keepdims=True)
        members, starts = self._members
        sums = np.add.reduceat(sharp[:, members], starts, axis=1)
        confidences = 100 * (sums - self._chance) / (1 - self._chance)
        return [
            self._named(of_words, 100 * of_classes, most, least_confidence)
            for of_words, of_classes in zip(confidences, sharp, strict=True)
        ]

    def top(self, probabilities: Probabilities, number: int = 5) -> list[tuple[Label, ...]]:
        """The likeliest classes of each image with their probabilities in percent."""
        likeliest = np.argsort(-probabilities, axis=1)[:, :number]
        return [
            tuple(self._class(place, 100 * row[place]) for place in places)
            for row, places in zip(probabilities, likeliest.tolist(), strict=True)
        ]

    def _named(
        self,
        of_words: NDArray[np.float32],
        of_classes: NDArray[np.float32],
        most: int,
        least: float,
    ) -> tuple[Label, ...]:
        named = [
            self._label(word, of_words[place], classes)
            for place, (word, classes) in enumerate(self.words.items())
            if of_words[place] >= least
        ]
        likeliest = int(of_classes.argmax())
        is_certain = of_classes[likeliest] >= max(least, _LEAST_OF_A_CLASS)
        is_said = likeliest not in self.unsaid and self.names[likeliest] not in self.words
        if is_certain and is_said:
            named.append(self._class(likeliest, of_classes[likeliest]))
        return tuple(named[:most])

    def _class(self, place: int, confidence: float) -> Label:
        return self._label(self.names[place], confidence, frozenset({place}))

    def _label(self, name: str, confidence: float, classes: frozenset[int]) -> Label:
        is_word = name in self.words
        above = (
            word
            for word, wider in self.words.items()
            if classes < wider or (classes == wider and not is_word)
        )
        return Label(
            name=name,
            confidence=round(min(float(confidence), 100.0), 2),
            parents=tuple(word for word in above if word != name),
        )

    @cached_property
    def _members(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The classes of all words in a row, and where each word's begin.

        Summing these takes a tenth of what the product with a matrix of zeros and ones does.
        """
        counts = [len(classes) for classes in self.words.values()]
        members = [place for classes in self.words.values() for place in sorted(classes)]
        return np.array(members, np.intp), np.cumsum([0, *counts[:-1]])

    @cached_property
    def _chance(self) -> NDArray[np.float32]:
        """Each word's share of the classes."""
        return np.array([len(each) / CLASSES for each in self.words.values()], np.float32)
