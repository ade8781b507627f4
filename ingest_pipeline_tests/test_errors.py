import importlib
import inspect
import pkgutil

import ingest_pipeline
from ingest_pipeline import errors
from ingest_pipeline.errors import IngestError

# Modules that only a child runs: they are no part of the package's face.
OF_CHILDREN = "_child"


def exceptions() -> list[type[Exception]]:
    """Every exception class that the package defines."""
    found: list[type[Exception]] = []
    for module in pkgutil.walk_packages(ingest_pipeline.__path__, "ingest_pipeline."):
        if module.name.endswith((OF_CHILDREN, ".env", "__main__")) or ".versions." in module.name:
            continue
        members = vars(importlib.import_module(module.name)).values()
        found += [
            member
            for member in members
            if inspect.isclass(member)
            and issubclass(member, Exception)
            and member.__module__ == module.name
        ]
    return found


def test_every_error_of_ours_has_its_place_in_the_tree() -> None:
    public = [each for each in exceptions() if not each.__name__.startswith("_")]
    assert len(public) > 20
    assert [each for each in public if not issubclass(each, IngestError)] == []


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn = str(errors.__doc__)
    branches: list[type[Exception]] = [IngestError, *IngestError.__subclasses__()]
    for branch in branches:
        if branch.__module__ == errors.__name__:
            assert branch.__name__ in drawn
