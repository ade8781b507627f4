"""Write `hierarchy.tsv` from WordNet 3.0's `data.noun`.

`python -m ingest_pipeline.media.labels.imagenet.make_hierarchy /usr/share/wordnet/data.noun`
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_OUTPUT = _HERE / "hierarchy.tsv"


@dataclass(frozen=True)
class Synset:
    """A synset of nouns: its first word, and the synsets that it is a kind of."""

    name: str
    hypernyms: tuple[str, ...]


def main() -> None:
    """Read WordNet, write the hierarchy of the classes without the vague synsets."""
    nouns = dict(_nouns(Path(sys.argv[1])))
    classes = _lines("classes.txt")
    vague = {synset for synset, name in _named("vague.txt") if _is_called(nouns[synset], name)}
    kept = classes + _above(classes, nouns, vague)
    rows = ("\t".join((each, nouns[each].name, *_parents(each, nouns, vague))) for each in kept)
    _OUTPUT.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def _nouns(path: Path) -> Iterator[tuple[str, Synset]]:
    """The synsets of a file in the format that WordNet's manual page wndb(5) describes."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):  # the licence
            continue
        fields = line.partition("|")[0].split()
        words = 4 + 2 * int(fields[3], 16)  # where the words end; their number is hexadecimal
        pointers = fields[words + 1 : words + 1 + 4 * int(fields[words])]
        hypernyms = tuple(
            f"n{target}"
            for symbol, target in zip(pointers[::4], pointers[1::4], strict=True)
            if symbol == "@"
        )
        yield f"n{fields[0]}", Synset(fields[4].replace("_", " "), hypernyms)


def _lines(name: str) -> list[str]:
    lines = (_HERE / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def _named(name: str) -> Iterator[tuple[str, str]]:
    for line in _lines(name):
        synset, _, word = line.partition(" ")
        yield synset, word


def _is_called(synset: Synset, name: str) -> bool:
    if synset.name != name:
        raise ValueError(f"vague.txt calls {synset.name!r} {name!r}")
    return True


def _above(classes: Iterable[str], nouns: dict[str, Synset], vague: set[str]) -> list[str]:
    """The synsets above these, sorted."""
    found: set[str] = set()
    waiting = list(classes)
    while waiting:
        new = set(_parents(waiting.pop(), nouns, vague)) - found
        found |= new
        waiting += new
    return sorted(found)


def _parents(synset: str, nouns: dict[str, Synset], vague: set[str]) -> list[str]:
    """The nearest synsets above that are not vague, in WordNet's order."""
    parents: dict[str, None] = {}
    for hypernym in nouns[synset].hypernyms:
        nearest = _parents(hypernym, nouns, vague) if hypernym in vague else [hypernym]
        parents.update(dict.fromkeys(nearest))
    return list(parents)


if __name__ == "__main__":
    main()
