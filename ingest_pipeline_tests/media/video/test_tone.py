import pytest

from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.program import FILTERS, FfmpegChoice
from ingest_pipeline.media.video.tone import TONE_FILTERS, can_tone_map, tone_map


@pytest.mark.parametrize(
    ("missing", "can"),
    [((), True), (("encoder libx265",), True), (("filter zscale",), False),
     (("filter tonemap", "filter tpad"), False)],
)  # fmt: skip
def test_it_takes_two_filters(missing: tuple[str, ...], *, can: bool) -> None:
    assert can_tone_map(FfmpegChoice(path="/f", version="9", missing=missing, why="")) is can
    assert set(TONE_FILTERS) <= set(FILTERS)


def test_what_a_film_tells_of_its_colours_is_taken_and_nonsense_is_not() -> None:
    told = VideoInfo(color_transfer="arib-std-b67", color_primaries="smpte432", color_matrix="gbr")
    assert "primaries=smpte432:color_trc=arib-std-b67:colorspace=gbr" in tone_map(told)
    odd = VideoInfo(color_transfer="smpte2084", color_primaries="film", color_matrix="fcc")
    assert "primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc" in tone_map(odd)
