import io
import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ingest_pipeline.media.audio import metadata_child
from ingest_pipeline.media.audio.metadata import (
    ANSWER_BYTES,
    CHUNK_BYTES,
    Metadata,
    MetadataReader,
)
from ingest_pipeline.media.audio.wav import walk
from ingest_pipeline.media.files import ReadBudgetError
from ingest_pipeline_tests.children import own_children
from ingest_pipeline_tests.media.riff import chunk, data, ds64, fmt, info, riff


@pytest.fixture
def reader() -> Iterator[MetadataReader]:
    with MetadataReader() as reader:
        yield reader


def read(reader: MetadataReader, *chunks: bytes) -> Metadata:
    content = riff(fmt(), *chunks, data())
    return reader.read(io.BytesIO(content), walk(io.BytesIO(content), len(content)).metadata)


def children() -> list[psutil.Process]:
    return [process for process in own_children() if "-I" in process.cmdline()]


def bext(description: bytes = b"", version: int = 1, loudness: int = 0) -> bytes:
    texts = (description, b"maker", b"ref", b"2026-01-02", b"03:04:05")
    fields = struct.pack(
        "<256s32s32s10s8sQH64s5h180x", *texts, 4800, version, b"\x01\x02", *[loudness] * 5
    )
    return chunk(b"bext", fields + b"A=PCM")


def ixml(content: str) -> bytes:
    return chunk(b"iXML", f'<?xml version="1.0"?>{content}'.encode())


def cues(*frames: int) -> bytes:
    points = (struct.pack("<II4sIII", n, at, b"data", 0, 0, at) for n, at in enumerate(frames, 1))
    return chunk(b"cue ", struct.pack("<I", len(frames)) + b"".join(points))


def labels(*texts: str) -> bytes:
    parts = (
        chunk(b"labl", struct.pack("<I", n) + text.encode() + b"\x00")
        for n, text in enumerate(texts, 1)
    )
    return chunk(b"LIST", b"adtl" + b"".join(parts))


SMPL = chunk(
    b"smpl",
    struct.pack("<9I", 0, 0, 20_833, 60, 0, 0, 0, 1, 0) + struct.pack("<6I", 1, 0, 2, 9, 0, 0),
)


def test_all_sections_are_read(reader: MetadataReader) -> None:
    metadata = read(
        reader,
        info(INAM="Grüße", IART="somebody"),
        bext(b"a description"),
        ixml("<BWFXML><SCENE>12A</SCENE><TAKE>3</TAKE></BWFXML>"),
        cues(100, 200),
        labels("verse"),
        SMPL,
    )
    assert metadata.warnings == ()
    assert metadata.sections == {
        "info": {"title": "Grüße", "artist": "somebody"},
        "bext": {
            "description": "a description",
            "originator": "maker",
            "originator_ref": "ref",
            "originator_date": "2026-01-02",
            "originator_time": "03:04:05",
            "time_reference": 4800,
            "version": 1,
            "umid": "0102",
            "coding_history": "A=PCM",
        },
        "ixml": {"scene": "12A", "take": "3"},
        "cues": [{"name": 1, "frame": 100, "label": "verse"}, {"name": 2, "frame": 200}],
        "smpl": {
            "manufacturer": 0,
            "product": 0,
            "sample_period_ns": 20_833,
            "midi_note": 60,
            "midi_pitch_detune_cents": 0,
            "smpte_format": 0,
            "smpte_offset": "00:00:00:00",
            "loops": [
                {
                    "ident": 1,
                    "loop_type": 0,
                    "loop_type_description": "FORWARD",
                    "start_samples": 2,
                    "end_samples": 9,
                    "detune_cents": 0,
                    "repetition_count": 0,
                }
            ],
        },
    }


def test_tracks_of_ixml_are_read(reader: MetadataReader) -> None:
    track = "<TRACK><CHANNEL_INDEX>1</CHANNEL_INDEX><NAME>boom</NAME></TRACK>"
    metadata = read(reader, ixml(f"<BWFXML><TRACK_LIST>{track}</TRACK_LIST></BWFXML>"))
    assert metadata.sections == {"ixml": {"track_list": [{"channel_index": "1", "name": "boom"}]}}


def test_loudness_and_latin_1_are_read(reader: MetadataReader) -> None:
    section = read(reader, bext(b"caf\xe9", version=2, loudness=-2300)).sections["bext"]
    assert isinstance(section, dict)
    assert (section["description"], section["loudness_value"]) == ("café", -23.0)


def test_without_metadata_there_is_no_child(reader: MetadataReader) -> None:
    assert read(reader) == Metadata({})
    assert read(reader, labels("of no cue")) == Metadata({})
    assert children() == []


def test_one_child_serves_many_files_and_is_gone_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with MetadataReader() as reader:
        read(reader, info(INAM="one"))
        (child,) = children()
        assert [path.name[:8] for path in tmp_path.iterdir()] == ["wavinfo-"]
        for n in range(20):
            assert read(reader, info(INAM=str(n))).sections == {"info": {"title": str(n)}}
        assert children() == [child]
    assert not child.is_running()
    assert list(tmp_path.iterdir()) == []


def test_threads_take_turns(reader: MetadataReader) -> None:
    found: list[Metadata] = []

    def work(name: str) -> None:
        for _ in range(10):
            metadata = read(reader, info(INAM=name))
            assert metadata.sections == {"info": {"title": name}}
            found.append(metadata)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert len(children()) == 1


@pytest.mark.parametrize(
    ("broken", "section", "error"),
    [
        (chunk(b"bext", b"short"), "bext", "error"),
        (chunk(b"smpl", b"short"), "smpl", "error"),
        (chunk(b"cue ", b"\xff\xff\xff\xff"), "cues", "AssertionError"),
        (chunk(b"iXML", b"\x01\x02"), "ixml", "AssertionError"),
        (chunk(b"LIST", b"INFO" + b"INAM" + b"\xff" * 8), "info", "Error"),
    ],
)
def test_a_broken_chunk_loses_itself_alone(
    reader: MetadataReader, broken: bytes, section: str, error: str
) -> None:
    sound = {"info": info(INAM="title"), "bext": bext()}
    others = [made for name, made in sound.items() if name != section]
    metadata = read(reader, broken, *others)
    assert set(metadata.sections) == set(sound) - {section}
    (warning,) = metadata.warnings
    assert warning.startswith(f"metadata {section} not read: ")
    assert error in warning
    assert not warning.endswith((" ", ":"))


def test_what_is_long_is_cut_and_what_is_too_long_left_out(reader: MetadataReader) -> None:
    title = read(reader, info(INAM="x" * 10_000)).sections["info"]
    assert title == {"title": "x" * metadata_child.STRING_CHARS}

    points = read(reader, cues(*range(5000))).sections["cues"]
    assert isinstance(points, list)
    assert len(points) == metadata_child.LIST_ITEMS

    many = read(reader, bext(), cues(*range(30)), labels(*["y" * 4000] * 30))
    assert set(many.sections) == {"bext"}
    assert many.warnings == (f"metadata cues left out: more than {ANSWER_BYTES} bytes in all",)


def test_large_chunks_are_passed_over(reader: MetadataReader) -> None:
    metadata = read(reader, info(INAM="x" * CHUNK_BYTES), bext())
    assert set(metadata.sections) == {"bext"}
    assert metadata.warnings == (f"metadata LIST of {CHUNK_BYTES + 14} bytes is too large",)

    quarters = [chunk(b"axml", bytes(CHUNK_BYTES))] * 4
    assert read(reader, *quarters, bext()).warnings == ("metadata bext of 607 bytes is too large",)


def test_a_file_that_fetches_no_more_is_a_warning(reader: MetadataReader) -> None:
    class Spent(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise ReadBudgetError(64)

    content = riff(fmt(), info(INAM="title"), data())
    chunks = walk(io.BytesIO(content), len(content)).metadata
    metadata = reader.read(Spent(), chunks)
    assert metadata == Metadata({}, ("metadata from LIST on not read: more than 64 blocks",))


def test_xml_reads_no_file_and_does_not_explode(reader: MetadataReader, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for doctype in (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>',
        f'<!DOCTYPE x [<!ENTITY % p SYSTEM "file://{secret}"> %p; <!ENTITY e "e">]>',
    ):
        metadata = read(reader, ixml(f"{doctype}<BWFXML><SCENE>&e;</SCENE></BWFXML>"))
        assert "secret" not in str(metadata.sections)
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><BWFXML><SCENE>&l11;</SCENE></BWFXML>'
    assert len(str(read(reader, ixml(bomb)))) < 10_000


# --- a reader gone wrong: the real child, with one section that misbehaves ------------------------


def child_with(tmp_path: Path, bext_body: str) -> Path:
    """The child's own program, its limits and its loop, but for what it does with bext."""
    program = tmp_path / "child.py"
    program.write_text(
        f"import os, sys, time\n"
        f"from ingest_pipeline.media.audio import metadata_child\n"
        f"def misbehave(wav):\n    {bext_body}\n"
        f"metadata_child.SECTIONS['bext'] = misbehave\n"
        f"metadata_child.main()\n"
    )
    return program


@pytest.mark.parametrize(
    "body", ["time.sleep(600)", "os.fork(); time.sleep(600)", "exec('while True: pass')"]
)
def test_a_hang_is_killed_in_time_and_costs_only_itself(tmp_path: Path, body: str) -> None:
    with MetadataReader(seconds=1.0, program=child_with(tmp_path, body)) as reader:
        assert read(reader, info(INAM="before")).sections == {"info": {"title": "before"}}
        begun = time.monotonic()
        metadata = read(reader, info(INAM="title"), bext(), SMPL)
        assert time.monotonic() - begun < 2.0
        assert metadata.sections == {"info": {"title": "title"}}
        assert metadata.warnings == ("metadata from bext on not read: out of time",)
        assert children() == []
        assert read(reader, info(INAM="after")).sections == {"info": {"title": "after"}}
    assert children() == []


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("return bytearray(10**9)", "MemoryError"),
        ("os.write(os.open('file', os.O_CREAT | os.O_WRONLY), b'x')", "OSError"),
        ("return [open('/dev/null') for _ in range(99)]", "OSError"),
        ("return os.environ['HOME']", "KeyError"),
        ("raise SystemError('x' * 9999)", "SystemError"),
    ],
)
def test_what_a_reader_must_not_do_fails_in_the_child(
    tmp_path: Path, body: str, error: str
) -> None:
    with MetadataReader(program=child_with(tmp_path, body)) as reader:
        metadata = read(reader, bext(), info(INAM="title"))
        assert metadata.sections == {"info": {"title": "title"}}
        (warning,) = metadata.warnings
        assert warning.startswith(f"metadata bext not read: {error}")
        assert len(warning) < 300


@pytest.mark.parametrize(
    "body",
    [
        "os._exit(1)",
        "os.kill(os.getpid(), 9)",
        "os.write(3, b'\\xff\\xff\\xff\\xff'); os._exit(0)",
        "os.write(3, b'\\x05\\x00\\x00\\x00hello')",
        "os.write(3, b'\\x02\\x00\\x00\\x00[]')",
        "os.write(3, b'\\x02\\x00')",
    ],
)
def test_a_child_that_dies_or_talks_nonsense_is_replaced(tmp_path: Path, body: str) -> None:
    with MetadataReader(seconds=1.0, program=child_with(tmp_path, body)) as reader:
        metadata = read(reader, bext(), info(INAM="title"))
        assert metadata.sections in ({}, {"info": {"title": "title"}})
        assert metadata.warnings
        assert read(reader, info(INAM="after")).sections == {"info": {"title": "after"}}


def test_a_stray_print_is_no_answer(tmp_path: Path) -> None:
    program = child_with(tmp_path, "print('noise' * 99, flush=True); return {'version': 7}")
    with MetadataReader(program=program) as reader:
        assert read(reader, bext()) == Metadata({"bext": {"version": 7}})


def test_a_child_killed_between_two_files_is_replaced(reader: MetadataReader) -> None:
    read(reader, info(INAM="one"))
    (child,) = children()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # its pipes break before it has ended
    assert read(reader, info(INAM="two")) == Metadata({"info": {"title": "two"}})


def test_a_child_that_cannot_start_is_a_warning(tmp_path: Path) -> None:
    with MetadataReader(program=tmp_path / "missing.py") as reader:
        metadata = read(reader, bext())
    assert metadata.sections == {}
    assert metadata.warnings[0].startswith("metadata from bext on not read: the reader died")


def test_the_file_that_hangs_wavinfo_is_read_at_once(reader: MetadataReader) -> None:
    """A ds64 table that claims 4 billion entries: wavinfo alone takes minutes over it."""
    sizes = ds64(12_000, 600)
    table = sizes[:-4] + b"\xff\xff\xff\xff"
    content = riff(
        table, fmt(), info(INAM="t"), data(size=2**32 - 1), magic=b"RF64", size=2**32 - 1
    )
    begun = time.monotonic()
    wav = walk(io.BytesIO(content), len(content))
    metadata = reader.read(io.BytesIO(content), wav.metadata)
    assert time.monotonic() - begun < 3.0
    assert (wav.faults, metadata) == ((), Metadata({"info": {"title": "t"}}))
