"""Where what is made of an object lies in the bucket of renditions.

output/<preset>/<key>                    a rendition
posters/<preset>/<key>.jpg
thumbnails/<preset>/<key>/00001.png      and so on, .jpg where MediaConvert made them
previews/<bucket>/<key>.webp
strips/<bucket>/<key>.webp
streams/<preset>/<bucket>/<key>/<checksum of the version>/<name>    all files of a ladder
transcoding/<token of the job>/...       where MediaConvert writes

The place of a rendition is the contract's; it does not name the bucket that the video lies in.
"""

import hashlib
import re
from collections.abc import Sequence

RENDITIONS_FOLDER = "output/"
STREAMS_FOLDER = "streams/"
STREAM_TYPES = {  # of a ladder's files, by their names' ends
    "m3u8": "application/vnd.apple.mpegurl",
    "mpd": "application/dash+xml",
    "vtt": "text/vtt",
    "mp4": "video/mp4",
    "ts": "video/mp2t",
    "jpg": "image/jpeg",
}
_LONGEST_KEY = 1024  # bytes in UTF-8
_THUMBNAIL = re.compile(r"\d{5}\.(png|jpg)")
_STREAM_FILE = re.compile(r"[0-9a-f]{16}/[a-z0-9_-]+\.[a-z0-9]+")
_SHORTENED = re.compile(r"~[0-9a-f]{32}\.webp$")


def rendition_place(preset: str, key: str) -> str:
    """Where a rendition goes; `preset` in lower case, as in the folder's name."""
    return f"{RENDITIONS_FOLDER}{preset}/{key}"


def poster_place(preset: str, key: str) -> str:
    """Where its poster goes."""
    return f"posters/{preset}/{key}.jpg"


def thumbnails_folder(preset: str, key: str) -> str:
    """Where its thumbnails go; those of keys below this one lie deeper in it."""
    return f"thumbnails/{preset}/{key}/"


def is_thumbnail(name: str) -> bool:
    """Whether a name in a folder of thumbnails is that of one."""
    return _THUMBNAIL.fullmatch(name) is not None


def streams_folder(preset: str, bucket: str, key: str) -> str:
    """Where the ladders of all versions of a key lie; those of keys below it lie deeper in it."""
    return f"{STREAMS_FOLDER}{preset}/{bucket}/{key}/"


def stream_folder(preset: str, bucket: str, key: str, version: str) -> str:
    """Where the files of a ladder go: a folder of the version's own.

    A player that holds the playlist of one version never gets a segment of another.
    """
    checksum = hashlib.sha256(version.encode()).hexdigest()[:16]
    return f"{streams_folder(preset, bucket, key)}{checksum}/"


def is_stream_file(name: str) -> bool:
    """Whether a name in a folder of ladders is that of a version's file."""
    return _STREAM_FILE.fullmatch(name) is not None


def has_room(preset: str, key: str) -> bool:
    """Whether S3 takes the places of a rendition: its thumbnails' are the longest."""
    return fits(f"{thumbnails_folder(preset, key)}00001.png")


def has_stream_room(preset: str, bucket: str, key: str) -> bool:
    """Whether S3 takes the places of a ladder's files."""
    return fits(f"{stream_folder(preset, bucket, key, '')}storyboard.jpg")


def fits(place: str) -> bool:
    """Whether S3 takes a key of this length."""
    return len(place.encode()) <= _LONGEST_KEY


def job_folder(token: str) -> str:
    """Where the service writes what a job makes."""
    return f"transcoding/{token}/"


def picture_place(folder: str, bucket: str, key: str) -> str:
    """Where the picture of what stands at a key goes: `<folder>/<bucket>/<key>.webp`.

    A key has at most 1,024 bytes: of what would be longer, a checksum stands for the end.
    """
    whole = f"{folder}/{bucket}/{key}.webp"
    if fits(whole):
        return whole
    end = f"~{hashlib.sha256(key.encode()).hexdigest()[:32]}.webp"
    return whole.encode()[: _LONGEST_KEY - len(end)].decode(errors="ignore") + end


def named_objects(place: str, buckets: Sequence[str]) -> list[tuple[str, str]]:
    """The objects, bucket and key, that a file at this place may be made of.

    The folders of renditions do not tell the bucket: there it may be any of `buckets`. None where
    the key was too long to be told, or where there is none: consoles make files for folders, and
    the tables take no empty key.
    """
    folder, _, rest = place.partition("/")
    first, _, below = rest.partition("/")
    match folder:
        case "previews" | "strips":
            if _SHORTENED.search(below):
                return []
            key, buckets = below.removesuffix(".webp"), [first]
        case "streams":
            bucket, _, below = below.partition("/")
            key, buckets = below.rpartition("/")[0].rpartition("/")[0], [bucket]
        case "output":
            key = below
        case "posters":
            key = below.removesuffix(".jpg")
        case "thumbnails":
            key = below.rpartition("/")[0]
        case _:
            return []
    return [(bucket, key) for bucket in buckets if bucket and key]
