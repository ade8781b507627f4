"""A picture of how many sessions each vehicle drove on each day."""

import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from PIL import Image, ImageDraw, ImageFont

_SIZE = (640, 280)  # pixels
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 44, 628, 236  # of the field that the bars stand in
_MOST_BARS = 120  # of four pixels and more; longer times put several days into one
_WIDEST_BAR = 60  # pixels
_TICKS = 4  # on the scale, at most
# People with any kind of colour vision tell them apart.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
_OTHERS, _OTHERS_COLOUR = "others", "#999999"
_INK, _LINE = "#333333", "#dddddd"
_FONT_SIZE = 12
_LONGEST_NAME = 9  # characters of a vehicle in the legend
_SWATCH = 10  # pixels
_PALETTE = 32  # colours: a third of the bytes of a picture in all colours


@dataclass(frozen=True)
class _Bars:
    first: date
    last: date
    days_a_bar: int
    bars: list[Counter[str]]  # the sessions of each vehicle
    colours: dict[str, str]  # by vehicle, from the bottom up


def sessions_picture(sessions: Mapping[tuple[date, str], int]) -> bytes:
    """A PNG of 640x280 and some 3 kB: a bar for each day, a colour for each vehicle.

    `sessions` has their number by day and vehicle, of one at least. The seven vehicles with the
    most have colours of their own. More than 120 days share bars, which the axis then says.
    """
    bars = _grouped(sessions)
    most = max(bar.total() for bar in bars.bars)
    picture = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(picture)
    draw.font = ImageFont.load_default(_FONT_SIZE)
    _draw_legend(draw, bars.colours)
    _draw_scale(draw, most)
    _draw_bars(draw, bars, most)
    _draw_days(draw, bars)
    content = io.BytesIO()
    picture.quantize(_PALETTE).save(content, "PNG", optimize=True)
    return content.getvalue()


def _grouped(sessions: Mapping[tuple[date, str], int]) -> _Bars:
    colours = _colours(sessions)
    first, last = min(day for day, _ in sessions), max(day for day, _ in sessions)
    days = (last - first).days + 1
    days_a_bar = -(-days // _MOST_BARS)
    bars: list[Counter[str]] = [Counter() for _ in range(-(-days // days_a_bar))]
    for (day, vehicle), number in sessions.items():
        name = vehicle if vehicle in colours else _OTHERS
        bars[(day - first).days // days_a_bar][name] += number
    return _Bars(first, last, days_a_bar, bars, colours)


def _colours(sessions: Mapping[tuple[date, str], int]) -> dict[str, str]:
    totals: Counter[str] = Counter()
    for (_, vehicle), number in sessions.items():
        totals[vehicle] += number
    shown = sorted(vehicle for vehicle, _ in totals.most_common(len(_COLOURS)))
    colours = dict(zip(shown, _COLOURS, strict=False))
    return colours if len(totals) == len(shown) else colours | {_OTHERS: _OTHERS_COLOUR}


def _draw_legend(draw: ImageDraw.ImageDraw, colours: Mapping[str, str]) -> None:
    step = (_RIGHT - _LEFT) // (len(_COLOURS) + 1)
    for place, (vehicle, colour) in enumerate(colours.items()):
        left = _LEFT + place * step
        draw.rectangle((left, 8, left + _SWATCH, 8 + _SWATCH), colour)
        draw.text((left + _SWATCH + 4, 8 + _SWATCH // 2), _legible(vehicle), _INK, anchor="lm")


def _legible(vehicle: str) -> str:
    """A name that fits, in the letters that Pillow's own font has."""
    name = vehicle.encode("ascii", "replace").decode()
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 2]}.."


def _draw_scale(draw: ImageDraw.ImageDraw, most: int) -> None:
    draw.text((8, _TOP - 12), "sessions", _INK, anchor="lm")
    for tick in range(0, most + 1, _step(most)):
        height = _height(tick, most)
        draw.line((_LEFT, height, _RIGHT, height), _LINE)
        draw.text((_LEFT - 6, height), f"{tick:,}", _INK, anchor="rm")


def _step(most: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, ... that makes few enough ticks."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if most // step <= _TICKS:
                return step
        size *= 10


def _height(number: int, most: int) -> int:
    return _BOTTOM - round((_BOTTOM - _TOP) * number / most)


def _draw_bars(draw: ImageDraw.ImageDraw, bars: _Bars, most: int) -> None:
    space = (_RIGHT - _LEFT) / len(bars.bars)
    width = min(_WIDEST_BAR, space - max(1, space // 5))
    for place, bar in enumerate(bars.bars):
        left = _LEFT + round(place * space + (space - width) / 2)
        below = 0
        for vehicle, colour in bars.colours.items():
            if bar[vehicle]:
                bottom, below = _height(below, most), below + bar[vehicle]
                top = _height(below, most)
                draw.rectangle((left, top, left + round(width) - 1, bottom - 1), colour)


def _draw_days(draw: ImageDraw.ImageDraw, bars: _Bars) -> None:
    draw.line((_LEFT, _BOTTOM, _RIGHT, _BOTTOM), _INK)
    draw.text((_LEFT, _BOTTOM + 6), str(bars.first), _INK, anchor="la")
    if bars.last > bars.first:
        end = bars.first + timedelta(days=bars.days_a_bar * (len(bars.bars) - 1))
        draw.text((_RIGHT, _BOTTOM + 6), str(end), _INK, anchor="ra")
    label = "day" if bars.days_a_bar == 1 else f"day; {bars.days_a_bar} days a bar"
    draw.text(((_LEFT + _RIGHT) // 2, _BOTTOM + 22), label, _INK, anchor="ma")
