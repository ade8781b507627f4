"""The hooks before a commit are the checks of `make lint`, no more and no others."""

import re

import yaml

from ingest_pipeline.settings import PROJECT_ROOT


def test_hooks_and_make_lint_call_the_same() -> None:
    (repository,) = yaml.safe_load((PROJECT_ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local", "nothing is fetched"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    hooks = [hook["entry"].removeprefix(".venv/bin/") for hook in repository["hooks"]]
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    lines = recipe[1].splitlines()
    assert hooks == [line.strip().removeprefix("$(BIN)/").removesuffix(" .") for line in lines]
