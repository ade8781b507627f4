import base64

import dagster as dg
import pytest

from ingest_pipeline.defs.common.metadata import (
    COLUMNS,
    SHOWN,
    columns_of,
    links,
    literal,
    picture,
    stored_picture,
    table,
    table_columns,
    table_metadata,
)
from ingest_pipeline.records.model import Report
from ingest_pipeline.records.tables import ASSETS, REPORTS
from ingest_pipeline_tests import wavs
from ingest_pipeline_tests.defs.runs import records
from ingest_pipeline_tests.world import World, some_ref


def test_an_asset_that_is_a_table_tells_where_it_lies_and_its_columns() -> None:
    told = table_metadata(ASSETS)
    assert told["dagster/uri"] == "dynamodb://assets"
    columns = told[COLUMNS]
    assert isinstance(columns, dg.TableSchema)
    assert [each.name for each in columns.columns] == list(ASSETS.row_type.model_fields)


def test_types_are_told_as_a_person_writes_them() -> None:
    types = {each.name: each.type for each in columns_of(Report).columns}
    assert types["key"] == "str"
    assert types["probe"] == "Probe | None"
    assert types["reasons"] == "tuple[Reason, ...]"
    assert types["size"] == "int | None"
    assert all("." not in name.replace("...", "") for name in types.values())


def test_columns_are_described_as_their_fields_are() -> None:
    described = {each.name: each.description for each in columns_of(REPORTS.row_type).columns}
    assert described["outcome"] == "what became of it"
    (column,) = table_columns(("a", "int", "words")).columns
    assert (column.name, column.type, column.description) == ("a", "int", "words")


def test_a_table_shows_the_first_rows_and_says_how_many_more_there_are() -> None:
    rows = [(f"{number}.wav", number) for number in range(SHOWN + 20)]
    shown = records(table(("object", "bytes"), rows))
    assert shown[:2] == [["0.wav", 0], ["1.wav", 1]]
    assert (len(shown), shown[-1]) == (SHOWN + 1, ["and 20 more", None])
    assert records(table(("object", "bytes"), rows[:3], total=50))[-1] == ["and 47 more", None]
    assert records(table(("object", "bytes"), [])) == []


def test_what_is_no_number_is_shown_as_text() -> None:
    cells = ("text", 1, 2.5, True, None, ("a", 1))
    assert records(table(("a", "b", "c", "d", "e", "f"), [cells])) == [
        ["text", 1, 2.5, True, None, "('a', 1)"]
    ]


def test_a_row_that_does_not_fit_its_columns_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        table(("a",), [(1, 2)])


@pytest.mark.parametrize("name", ["<b>|`x`|[a](http://b)", "*a*_", "ü & \n#"])
def test_no_name_acts_as_markdown_or_html(name: str) -> None:
    assert not set("<>|`[]()*&#\n") & set(literal(name).replace("&#", "").replace(";", ""))


def test_each_object_links_to_its_page_whatever_its_name() -> None:
    refs = [some_ref("ingest", "a b/c?&.wav"), *(some_ref("ingest", f"{n}") for n in range(SHOWN))]
    shown = str(links(refs, "http://localhost:8000").value).splitlines()
    assert shown[0] == (
        "- [ingest/a b/c&#63;&#38;.wav]"
        "(http://localhost:8000/catalogue/ingest?key=a%20b%2Fc%3F%26.wav)"
    )
    assert len(shown) == SHOWN


def test_a_stored_picture_is_shown_unless_it_is_large(world: World) -> None:
    world.clients.s3.put_object(
        Bucket=world.bucket, Key="p", Body=wavs.PNG, ContentType="image/png"
    )
    shown = stored_picture(world.clients.s3, world.bucket, "p", len(wavs.PNG))
    assert shown == picture(wavs.PNG, "image/png")
    assert base64.b64decode(str(shown).removeprefix("data:image/png;base64,")) == wavs.PNG
    assert stored_picture(world.clients.s3, world.bucket, "p", len(wavs.PNG) - 1) is None
