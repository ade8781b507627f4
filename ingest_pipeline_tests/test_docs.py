"""What the docs point at is there: files, folders, headings, commands, targets and settings."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ingest_pipeline.cli.main import main
from ingest_pipeline.settings import PROJECT_ROOT, Settings

PACKAGE = PROJECT_ROOT / "ingest_pipeline"
DOCS = sorted(
    path
    for path in PROJECT_ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(PROJECT_ROOT).parts)
)
NAMES = [str(path.relative_to(PROJECT_ROOT)) for path in DOCS]
ELSEWHERE = {
    "INGEST_HOME/logs/",
    "output/web/",  # keys in the rendition bucket
    "transcoding/",
    "interviews/",
    "AV_logs/DisplayLogs/",  # keys in the sessions' bucket
}
SUFFIXES = (".py", ".toml", ".yaml", ".md", ".svg", ".txt", ".tsv")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def links(text: str) -> Iterator[tuple[str, str]]:
    """The path and the heading of each link that stays in the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if not re.match(r"[a-z]+:", target):
            path, _, heading = target.partition("#")
            yield path, heading


def headings(text: str) -> set[str]:
    """As links name them."""
    found = re.findall(r"^#+ (.+)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in found}


def paths(text: str) -> Iterator[str]:
    """What reads like a file or a folder of the repository, in backticks or in code."""
    for word in re.findall(r"`([^`\n]+)`", without_code(text)):
        if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", word) and word.endswith(("/", *SUFFIXES)):
            yield word
    yield from re.findall(r"\bingest_pipeline(?:_tests)?/[\w./-]*\w", text)


def is_there(path: str, doc: Path) -> bool:
    """Whether it is below the root, the package or the doc, or a file's name that tells enough."""
    if any((folder / path).exists() for folder in (PROJECT_ROOT, PACKAGE, doc.parent)):
        return True
    return "/" not in path and any(PACKAGE.rglob(path))


@pytest.mark.parametrize("doc", DOCS, ids=NAMES)
def test_links_lead_somewhere(doc: Path) -> None:
    for path, heading in links(doc.read_text(encoding="utf-8")):
        target = doc.parent / path if path else doc
        assert target.exists(), path
        if heading:
            assert heading in headings(target.read_text(encoding="utf-8")), f"{path}#{heading}"


@pytest.mark.parametrize("doc", DOCS, ids=NAMES)
def test_paths_are_there(doc: Path) -> None:
    for path in paths(doc.read_text(encoding="utf-8")):
        assert path in ELSEWHERE or is_there(path, doc), path


def test_such_paths_are_found_at_all() -> None:
    found = [path for doc in DOCS for path in paths(doc.read_text(encoding="utf-8"))]
    assert len(found) > 50


@pytest.mark.parametrize("doc", DOCS, ids=NAMES)
def test_commands_exist(doc: Path) -> None:
    text = doc.read_text(encoding="utf-8")
    context = click.Context(main)
    for name in re.findall(r"bin/ingest-pipeline ([a-z]+)", text):
        assert main.get_command(context, name), name


@pytest.mark.parametrize("doc", DOCS, ids=NAMES)
def test_make_targets_exist(doc: Path) -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    text = doc.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= targets


@pytest.mark.parametrize("doc", DOCS, ids=NAMES)
def test_settings_exist(doc: Path) -> None:
    known = {f"INGEST_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bINGEST_[A-Z_]*[A-Z]", doc.read_text(encoding="utf-8"))) <= known


def test_the_readme_leads_to_every_doc() -> None:
    readme = PROJECT_ROOT / "README.md"
    linked = {path for path, _ in links(readme.read_text(encoding="utf-8"))}
    written = {str(path.relative_to(PROJECT_ROOT)) for path in (PROJECT_ROOT / "docs").glob("*.md")}
    others = {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "benchmarks/results.md"}
    assert written | others <= linked
