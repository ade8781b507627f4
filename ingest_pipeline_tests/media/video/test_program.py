import logging
import re
import subprocess
from pathlib import Path

import pytest

from ingest_pipeline.media.model import VideoInfo
from ingest_pipeline.media.video.ffmpeg import TranscodeResourceError
from ingest_pipeline.media.video.presets import AUDIO_CODECS, VIDEO_CODECS, load_presets
from ingest_pipeline.media.video.program import ENCODERS, FILTERS, choose_ffmpeg, find_ffmpeg
from ingest_pipeline.media.video.strip import _graph
from ingest_pipeline.media.video.transcode import _picture_arguments, picture_filters


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """imageio-ffmpeg's program; the PATH is the test's folder alone."""
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return Path(find_ffmpeg())


def another(path: Path, real: Path, *, version: str = "", without: str = "nothing") -> Path:
    """Make a program that is the real one, but for the version or a line of its lists."""
    said = f"/bin/echo 'ffmpeg version {version} Copyright (c) 2000'"
    path.write_text(
        "#!/bin/sh\n"
        'case "$2" in\n'
        f"-version) {said if version else f'{real} -version'} ;;\n"
        f"*) {real} \"$@\" | /bin/grep -v -w -e '{without}' ;;\n"
        "esac\n"
    )
    path.chmod(0o755)
    return path


def test_ffmpeg_is_looked_for_in_order(tmp_path: Path, packaged: Path) -> None:
    assert "imageio_ffmpeg" in str(packaged)
    for name in ("ffmpeg", "mine"):
        (tmp_path / name).symlink_to(packaged)
    assert find_ffmpeg() == str(tmp_path / "ffmpeg")
    assert find_ffmpeg(tmp_path / "mine") == str(tmp_path / "mine")
    with pytest.raises(TranscodeResourceError, match="nowhere is no program"):
        find_ffmpeg(Path("nowhere"))


def test_the_packages_own_lacks_nothing(packaged: Path) -> None:
    choice = choose_ffmpeg()
    assert (choice.path, choice.missing) == (str(packaged), ())
    first = subprocess.run([packaged, "-version"], capture_output=True, text=True, check=True)
    assert first.stdout.startswith(f"ffmpeg version {choice.version} ")
    assert str(choice) == (f"ffmpeg {choice.version} at {packaged} (there is none on the PATH)")


@pytest.mark.parametrize(
    ("version", "without", "missing"),
    [
        ("5.1.9-0+deb12u1", "nothing", ()),  # older, though able
        ("99.0", "libx265", ("encoder libx265",)),  # newer, but it can do less
        ("99.0", "tpad", ("filter tpad",)),
        ("n4.4.2", "nothing", ("version 5.1 or newer",)),
    ],
)
def test_a_worse_one_on_the_path_is_passed_over(
    tmp_path: Path, packaged: Path, version: str, without: str, missing: tuple[str, ...]
) -> None:
    worse = another(tmp_path / "ffmpeg", packaged, version=version, without=without)
    choice = choose_ffmpeg()
    assert (choice.path, choice.missing) == (str(packaged), ())
    assert choice.why == f"better than {version} on the PATH"
    assert choose_ffmpeg(worse).missing == missing


def test_a_better_one_on_the_path_is_taken(tmp_path: Path, packaged: Path) -> None:
    newer = another(tmp_path / "ffmpeg", packaged, version="n99.0.1-3-gabcdef")
    choice = choose_ffmpeg()
    assert (choice.path, choice.version) == (str(newer), "n99.0.1-3-gabcdef")
    assert choice.why == "on the PATH"


def test_one_that_gives_no_answer_is_passed_over(tmp_path: Path, packaged: Path) -> None:
    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 127\n")
    broken.chmod(0o755)
    assert find_ffmpeg() == str(packaged)


def test_the_one_that_is_set_wins_and_what_it_lacks_is_logged_once(
    tmp_path: Path, packaged: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mine = another(tmp_path / "mine", packaged, version="4.2.7", without="libvpx-vp9")
    with caplog.at_level(logging.WARNING):
        assert {find_ffmpeg(mine) for _ in range(3)} == {str(mine)}
    assert caplog.messages == [
        f"ffmpeg 4.2.7 at {mine} (INGEST_FFMPEG), without version 5.1 or newer, encoder libvpx-vp9"
    ]


def test_a_program_is_asked_once_until_it_changes(tmp_path: Path, packaged: Path) -> None:
    mine = another(tmp_path / "mine", packaged, version="7.PROCESS")
    mine.write_text(mine.read_text().replace("PROCESS", "'$$'"))  # each time it is run another
    versions = {choose_ffmpeg(mine).version for _ in range(3)}
    assert [version.partition(".")[0] for version in versions] == ["7"]
    another(mine, packaged, version="7.1")
    assert choose_ffmpeg(mine).version == "7.1"


def test_whatever_our_graphs_and_presets_use_is_asked_for() -> None:
    preset = load_presets().named()
    pictures = " ".join(_picture_arguments(preset))
    sides = {"width": 720, "height": 576, "display_width": 768, "display_height": 576}
    most = picture_filters(preset, VideoInfo(interlaced=True, color_transfer="smpte2084", **sides))
    graphs = ",".join([most, _graph(), *re.findall(r"-vf (\S+)", pictures)])
    bare = re.sub(r"'[^']*'|\[[^]]*\]", "", graphs)
    used = {part.partition("=")[0] for part in re.split(r"[,;]", bare)}
    assert used == set(FILTERS)
    codecs = {*VIDEO_CODECS.values(), *AUDIO_CODECS.values()}
    assert ENCODERS.keys() == {codec for group in codecs for codec in group}
