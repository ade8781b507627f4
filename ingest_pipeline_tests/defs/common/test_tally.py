from ingest_pipeline.defs.common.metadata import SHOWN
from ingest_pipeline.defs.common.tally import Tally
from ingest_pipeline.values import Frozen


class Row(Frozen):
    """A row to be counted."""

    name: str
    size: int
    is_good: bool = True


def rows(first: int, last: int) -> list[Row]:
    return [Row(name=f"{n % 3}", size=n, is_good=n % 2 == 0) for n in range(first, last)]


def test_a_tally_of_pages_is_that_of_all_their_rows() -> None:
    paged: Tally[Row] = Tally(count_by=("name", "is_good"), sum_of=("size",))
    whole: Tally[Row] = Tally(count_by=("name", "is_good"), sum_of=("size",))
    for start in range(0, 300, 70):
        paged.add(rows(start, min(start + 70, 300)))
    whole.add(rows(0, 300))
    assert paged == whole
    assert (paged.rows, paged.sums["size"]) == (300, sum(range(300)))
    assert (paged.number("is_good", "True"), paged.number("name", "0")) == (150, 100)
    assert paged.number("name", "never") == 0


def test_a_tally_keeps_the_first_rows_and_no_more() -> None:
    tally: Tally[Row] = Tally()
    for start in range(0, 3 * SHOWN, 30):
        tally.add(rows(start, start + 30))
    assert tally.first == rows(0, SHOWN)
    assert tally.rows == 3 * SHOWN


def test_tallies_share_nothing() -> None:
    one: Tally[Row] = Tally(count_by=("name",))
    one.add(rows(0, 3))
    other: Tally[Row] = Tally(count_by=("name",))
    assert (other.rows, other.first, other.counts) == (0, [], {})
