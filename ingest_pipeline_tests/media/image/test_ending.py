import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_pipeline.media.image.ending import Ending, ending_of
from ingest_pipeline_tests.media.pictures import corner, encoded

WHOLE = Ending()


@pytest.mark.parametrize("container", ["JPEG", "WEBP", "BMP", "AVIF", None])
def test_of_the_others_nothing_is_said(container: str | None) -> None:
    assert ending_of(container, b"anything") == WHOLE


@pytest.mark.parametrize("container", ["PNG", "GIF", "TIFF"])
def test_a_whole_file_lacks_nothing(container: str) -> None:
    assert ending_of(container, encoded(corner(), container)) == WHOLE


@pytest.mark.parametrize("options", [{"interlace": True}, {"comment": b"c" * 600}])
def test_the_blocks_of_a_gif_are_passed_over_as_they_are(options: dict[str, object]) -> None:
    images = [corner("P"), corner("P").rotate(90), corner("P").rotate(180)]
    whole = encoded(images[0], "GIF", save_all=True, append_images=images[1:], **options)
    assert ending_of("GIF", whole) == WHOLE
    assert ending_of("GIF", whole[:-1] + bytes(99) + b";") == WHOLE
    assert ending_of("GIF", whole[:-3]).found == "the file ends within frame 3"


@given(st.sampled_from(["PNG", "GIF", "TIFF"]), st.data())
def test_no_damage_raises(container: str, draw: st.DataObject) -> None:
    content = bytearray(encoded(corner("P"), container, save_all=True, append_images=[corner("P")]))
    for at in draw.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = draw.draw(st.integers(0, 255))
    ending_of(container, bytes(content[: draw.draw(st.integers(0, len(content)))]))
