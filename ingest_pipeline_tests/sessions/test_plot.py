"""The picture is read as a person would: which colours stand where, and how high."""

import io
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise

import pytest
from PIL import Image

from ingest_pipeline.sessions.plot import sessions_picture

FIRST = date(2024, 2, 1)
BLUE, ORANGE, GREY = (0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00), (0x99, 0x99, 0x99)
LEGEND = 20  # pixels at the top

Colour = tuple[int, int, int]


def drawn(sessions: Mapping[tuple[date, str], int]) -> Image.Image:
    content = sessions_picture(sessions)
    assert len(content) < 6_000, "an event with more is slow to load"
    picture = Image.open(io.BytesIO(content))
    assert (picture.format, picture.size) == ("PNG", (640, 280))
    return picture.convert("RGB")


def heights(picture: Image.Image, colour: Colour) -> list[int]:
    """How many pixels of a colour stand in each column, below the legend."""
    pixels = picture.load()
    assert pixels is not None
    return [
        sum(pixels[x, y] == colour for y in range(LEGEND, picture.height))
        for x in range(picture.width)
    ]


def bars(picture: Image.Image, colour: Colour) -> list[int]:
    """The heights of the bars of a colour, from left to right."""
    found, before = [], 0
    for height in heights(picture, colour):
        if height and height != before:
            found.append(height)
        before = height
    return found


def in_legend(picture: Image.Image) -> Counter[Colour]:
    head = picture.crop((0, 0, picture.width, LEGEND))
    return Counter(
        {colour: number for number, colour in head.getcolors(1 << 16) or [] if number > 100}  # type: ignore[misc]
    )


def test_each_day_has_a_bar_as_high_as_its_sessions() -> None:
    sessions = {(FIRST + timedelta(days=day), "V236"): 3 * (day + 1) for day in range(4)}
    found = bars(drawn(sessions), BLUE)
    assert found == pytest.approx([48, 96, 144, 192], abs=1)


def test_vehicles_stand_upon_each_other_in_their_colours() -> None:
    picture = drawn({(FIRST, "V236"): 3, (FIRST, "V237"): 1})
    assert bars(picture, BLUE) == [144]
    assert bars(picture, ORANGE) == [48]
    middle = heights(picture, BLUE).index(144) + 5
    column = [picture.getpixel((middle, y)) for y in range(picture.height)]
    assert column.index(ORANGE) < column.index(BLUE)
    assert {BLUE, ORANGE} <= in_legend(picture).keys()


def test_a_day_without_sessions_is_a_gap() -> None:
    picture = drawn({(FIRST, "V236"): 5, (FIRST + timedelta(days=2), "V236"): 5})
    columns = [bool(height) for height in heights(picture, BLUE)]
    first, last = columns.index(True), len(columns) - 1 - columns[::-1].index(True)
    assert columns[first : last + 1].count(False) > 200, "a third of the field, and two gaps"


def test_the_eighth_vehicle_and_those_after_are_one_colour() -> None:
    picture = drawn({(FIRST, f"V{number}"): 20 - number for number in range(9)})
    assert len(in_legend(picture).keys() - {(255, 255, 255)}) == 8
    total = sum(20 - number for number in range(9))
    assert max(heights(picture, GREY)) == pytest.approx(192 * (13 + 12) / total, abs=2)


def test_a_year_of_many_vehicles_fits() -> None:
    days = [FIRST + timedelta(days=number) for number in range(366)]
    picture = drawn({(day, f"V{number}"): number + 1 for day in days for number in range(10)})
    runs = [height > 0 for height in heights(picture, BLUE)]
    starts = sum(now and not before for before, now in pairwise(runs))
    assert starts == 92, "four days a bar"


def test_names_of_any_kind_are_drawn() -> None:
    names = ["", "車両", "V" * 300, "<b>\n\0"]
    picture = drawn({(FIRST, name): 1 for name in names})
    assert len(in_legend(picture).keys() - {(255, 255, 255)}) == 4
