"""Decodes images with Pillow, in a process of its own with narrow limits.

Never imported by the service: it knows Pillow, the child's side of the sandbox, and how files end
that hold several frames. A request is what is wanted (`look`, `tiny` or `rgb`), a number (the side
of a picture in pixels), the most pixels that are decoded, and a file. The answer is JSON and a
body:

    look   {"info": {...}, "undecoded": null, "missing": null, "warnings": [...]}, as `reader.py`
           declares it
    tiny   {"width": 320, "height": 240}, and a WebP
    rgb    {}, and side x side x 3 bytes
    or     {"is_unsupported": true} where this Pillow does not know the format of what is looked at,
           {"error": "..."}, {"out_of_memory": "..."}
"""

import contextlib
import functools
import io
import math
import re
import struct
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple, cast

# Each plugin is named, for otherwise Pillow imports all of its forty on the first TIFF.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from ingest_pipeline.media.image.ending import Ending, ending_of
from ingest_pipeline.media.sandbox import worker_child

FORMATS = tuple(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        GifImagePlugin.GifImageFile,
        TiffImagePlugin.TiffImageFile,
        BmpImagePlugin.BmpImageFile,
        BmpImagePlugin.DibImageFile,
        AvifImagePlugin.AvifImageFile,
    )
)

TEXT_BYTES = 16 * 1024 * 1024  # of a PNG's compressed text; editors' histories exceed Pillow's 1 MB
WARNINGS = 10  # of a file
WORDS = 200  # characters of a text in an answer
CAMERA_CHARS = 100


def main() -> None:
    """Answer requests until the input ends."""
    Image.WARN_POSSIBLE_FORMATS = True  # or nobody says why a file could not be opened
    PngImagePlugin.MAX_TEXT_CHUNK = TEXT_BYTES
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the limits are those of one
    worker_child.serve(answer_to)


class Answer(NamedTuple):
    """What goes back: JSON, and bytes where a picture was asked for."""

    facts: Mapping[str, object]
    body: bytes = b""


def answer_to(request: worker_child.Request) -> worker_child.Answer:
    """Do what is wanted of a file."""
    facts = request.facts
    Image.MAX_IMAGE_PIXELS = facts["most_pixels"]
    return worker_child.Answer(*answered(facts["wanted"], facts["number"], request.body))


def answered(wanted: str, number: int, content: bytes) -> Answer:
    """Do it; whatever Pillow raises is an answer, too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            answer = ANSWERS[wanted](content, number)
        except MemoryError:
            return Answer({"out_of_memory": "more memory than a picture may take"})
        except UnidentifiedImageError:
            return Answer({"error": said(caught[-1].message if caught else "not identified")})
        except Exception as error:  # noqa: BLE001 - Pillow raises anything: OSError, SyntaxError, ...
            return Answer({"error": said(str(error) or type(error).__name__)})
    told = list(dict.fromkeys(said(warning.message) for warning in caught))[:WARNINGS]
    return Answer({**answer.facts, "warnings": told}, answer.body)


def said(words: object) -> str:
    """Make words of a decoder fit for an answer."""
    return " ".join(str(words).split())[:WORDS]


_TRANSPOSED = {  # how each orientation of EXIF is turned upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = (5, 6, 7, 8)  # the orientations that exchange width and height
_END_OF_JPEG = b"\xff\xd9"


def opened(content: bytes) -> ImageFile.ImageFile:
    """Open a file without decoding it."""
    formats = (_HEIF,) if is_heic(content) and knows_heif() else FORMATS
    return Image.open(io.BytesIO(content), formats=formats)


_HEIF = "HEIF"
_UNKNOWN_CODEC = ("Unsupported codec", "has not been built in")  # libheif's words


def is_avif(content: bytes) -> bool:
    """Whether a file says that it is one; not every Pillow is built with what reads it."""
    return not brands_of(content).isdisjoint((b"avif", b"avis"))


def is_heic(content: bytes) -> bool:
    """Whether a file has the boxes of an AVIF and is none: a HEIC, as the reader is given it."""
    return bool(brands_of(content)) and not is_avif(content)


def brands_of(content: bytes) -> frozenset[bytes]:
    """Name what a file of boxes says that it is: beside `mif1`, any picture, stands the codec's."""
    length = int.from_bytes(content[:4], "big")
    if content[4:8] != b"ftyp" or length > _LONGEST_FTYP:
        return frozenset()
    names = range(8, min(length, len(content)), 4)
    return frozenset(content[at : at + 4] for at in names)


_LONGEST_FTYP = 1024


@functools.cache
def knows_heif() -> bool:
    """Whether the library is there that reads HEIC; it is loaded (30 ms) for the first one only."""
    try:
        import pillow_heif  # noqa: PLC0415 - an extra, and most files are none of it
    except ImportError:
        return False
    pillow_heif.register_heif_opener(
        decode_threads=1, thumbnails=False, aux_images=False, depth_images=False
    )
    return True


def decoded(content: bytes, smaller: int = 1, mode: str | None = None) -> ImageFile.ImageFile:
    """Decode the first frame, a JPEG up to so many times `smaller` where that saves time."""
    image = opened(content)
    if image.format == "JPEG" and (start := start_of_samsungs_trailer(content)):
        return decoded(content[:start], smaller, mode)
    image.draft(mode, (max(1, image.width // smaller), max(1, image.height // smaller)))
    try:
        image.load()
    except OSError:
        if image.format != "JPEG" or not lacks_only_its_end(content):
            raise
        warnings.warn("the marker of the image's end is missing", stacklevel=1)
        return decoded(content + _END_OF_JPEG, smaller, mode)
    return image


def lacks_only_its_end(content: bytes) -> bool:
    """Whether a cut JPEG holds the whole picture: then it is the same whatever stands behind it.

    Told of JPEGs of one scan only: a progressive one may lack whole scans and show nothing of it.
    """
    if content.endswith(_END_OF_JPEG) or opened(content).info.get("progressive"):
        return False
    other_data = bytes(range(1, 255)) * 4
    ends = (_END_OF_JPEG, other_data + _END_OF_JPEG)
    first, second = (opened(content + end) for end in ends)
    return first.tobytes() == second.tobytes()


_SAMSUNGS_END = struct.Struct("<I4s")  # the length of the directory before it, "SEFT"
_SAMSUNGS_HEAD = struct.Struct("<4sII")  # "SEFH", a version, the number of entries
_SAMSUNGS_ENTRY = struct.Struct("<2xHII")  # type, bytes from the block to the directory, length


def start_of_samsungs_trailer(content: bytes) -> int | None:
    """Where the data begins that Samsung's cameras write behind a picture, which may be a film.

    Their panoramas have no marker of the image's end before it, so a decoder takes it for more of
    the picture.
    """
    end = len(content) - _SAMSUNGS_END.size
    length, magic = _SAMSUNGS_END.unpack_from(content, end) if end > 0 else (0, b"")
    at = end - length
    if magic != b"SEFT" or at <= 0 or length < _SAMSUNGS_HEAD.size:
        return None
    magic, _, count = _SAMSUNGS_HEAD.unpack_from(content, at)
    first = at + _SAMSUNGS_HEAD.size
    last = first + count * _SAMSUNGS_ENTRY.size
    if magic != b"SEFH" or last > end:
        return None
    entries = _SAMSUNGS_ENTRY.iter_unpack(content[first:last])
    start: int = at - max((distance for _, distance, _ in entries), default=0)
    return start if start > 0 else None


def orientation_of(image: Image.Image) -> int:
    """EXIF's orientation, 1 where there is none that means anything."""
    try:
        found = exif_of(image).get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - garbage where EXIF should be
        return 1
    return found if found in _TRANSPOSED else 1


def exif_of(image: Image.Image) -> Image.Exif:
    """EXIF as far as it has been read: the method of PNG's own would decode the whole picture."""
    return Image.Image.getexif(image)


def upright(image: Image.Image) -> Image.Image:
    """Turn a decoded image; Pillow has done so with a TIFF."""
    orientation = orientation_of(image)
    return image.transpose(_TRANSPOSED[orientation]) if orientation in _TRANSPOSED else image


_ORIENTATION, _MAKE, _MODEL = 0x0112, 0x010F, 0x0110
_EXIF_IFD, _TAKEN_AT, _TAKEN_AT_OFFSET = 0x8769, 0x9003, 0x9011
_DRAFT = 8  # a JPEG cut or broken is found at an eighth as well, in half the time


def look(content: bytes, _number: int) -> Answer:
    """Tell what an image is, after decoding it: only then is it known to be whole."""
    if is_avif(content) and not AvifImagePlugin.SUPPORTED:
        return Answer({"is_unsupported": True})
    if is_heic(content) and not knows_heif():
        return Answer({"is_unsupported": True})
    try:
        return look_into(content)
    except RuntimeError as error:
        if not any(words in str(error) for words in _UNKNOWN_CODEC):
            raise
        return Answer({"is_unsupported": True})  # HEIF is a box for pictures of any codec


def look_into(content: bytes) -> Answer:
    """Decode it, and tell what is known before and after."""
    try:
        header = opened(content)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        return look_at_header_alone(content, error)
    facts = facts_of(header)  # decoding turns a TIFF, and forgets how it lay
    image = decoded(content, _DRAFT, "L")
    if image.format == "PNG":  # whose EXIF may stand behind the picture
        facts |= exif_facts(image)
    info = facts | size_of(header, facts) | {"frames": frames_of(image), "decoded_frames": 1}
    return Answer({"info": info, "missing": missing_of(ending_of(image.format, content))})


def missing_of(ending: Ending) -> dict[str, str | None] | None:
    """Tell what is missing at the end of a file; where that is its mark alone, it is a warning."""
    if ending.warning:
        warnings.warn(ending.warning, stacklevel=1)
    return {"found": ending.found, "wanted": ending.wanted} if ending.found else None


def look_at_header_alone(content: bytes, error: Exception) -> Answer:
    """Tell what an image says that it is which is too large to be decoded."""
    most_pixels, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        header = opened(content)
    except (Exception, MemoryError) as another:
        raise error from another
    finally:
        Image.MAX_IMAGE_PIXELS = most_pixels
    facts = facts_of(header)
    found = f"{header.width * header.height} pixels, at most {most_pixels}"
    info = facts | size_of(header, facts) | {"decoded_frames": 0}
    return Answer({"info": info, "undecoded": found})


def facts_of(header: ImageFile.ImageFile) -> dict[str, object]:
    """Tell what is known of an image before it is decoded, but for its size."""
    facts = {"mode": header.mode, "has_alpha": header.has_transparency_data}
    return facts | exif_facts(header)


def size_of(header: ImageFile.ImageFile, facts: Mapping[str, object]) -> dict[str, object]:
    """Tell the upright size; that of a TIFF is so already."""
    width, height = header.size
    if facts["orientation"] in _LYING and header.format != "TIFF":
        width, height = height, width
    return {"width": width, "height": height}


def frames_of(image: ImageFile.ImageFile) -> int:
    """Count frames or pages; what follows the picture of a JPEG is a preview or a gain map."""
    if image.format in ("JPEG", "MPO"):
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception as error:  # noqa: BLE001 - whatever a broken second frame raises
        warnings.warn(f"frames not counted: {said(error) or type(error).__name__}", stacklevel=1)
        return 1


def exif_facts(image: Image.Image) -> dict[str, object]:
    """Tell what is wanted of EXIF, and nothing else: where a picture was taken is nobody's."""
    facts: dict[str, object] = {"orientation": orientation_of(image)}
    try:
        exif = exif_of(image)
        own = exif.get_ifd(_EXIF_IFD)
        facts["camera"] = camera_of(text(exif.get(_MAKE)), text(exif.get(_MODEL)))
        facts["captured_at"] = captured_at(
            text(own.get(_TAKEN_AT)), text(own.get(_TAKEN_AT_OFFSET))
        )
    except Exception as error:  # noqa: BLE001 - garbage where EXIF should be
        warnings.warn(f"EXIF not read: {said(error) or type(error).__name__}", stacklevel=1)
    return facts


def text(value: object) -> str:
    """Make a text of EXIF fit for people: to its first NUL, printable, single spaces."""
    words = str(value).partition("\x00")[0] if isinstance(value, str) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())[:CAMERA_CHARS]


def camera_of(make: str, model: str) -> str | None:
    """Name a camera: most models repeat their maker, "NIKON CORPORATION", "NIKON D90"."""
    brand = make.split()[:1]
    is_repeated = brand and model.casefold().startswith(brand[0].casefold())
    return (model if is_repeated else f"{make} {model}".strip()) or None


def captured_at(taken: str, offset: str) -> str | None:
    """Give EXIF's `2026:03:01 12:00:00` in ISO 8601, with the zone where there is one."""
    if not taken.strip(" :0"):  # what a camera without a clock writes
        return None
    try:
        moment = datetime.strptime(taken, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - EXIF tells no zone
    except ValueError:
        warnings.warn(f"capture time {taken} is no date", stacklevel=1)
        return None
    has_zone = re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", offset)
    return moment.isoformat() + (offset if has_zone else "")


_SPARE = 2  # a JPEG is decoded to this many times the size wanted: it is resampled better then
_WEBP_QUALITY = 60


def tiny(content: bytes, box: int) -> Answer:
    """Make a small picture that fits in a square, as a WebP without any metadata."""
    with opened(content) as header:
        smaller = max(header.size) // (_SPARE * box)
    image = plain(upright(decoded(content, smaller=max(1, smaller))))
    image.thumbnail((box, box), Image.Resampling.LANCZOS)
    picture = rgb_of(image)
    picture.info = {}
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=_WEBP_QUALITY)
    return Answer({"width": picture.width, "height": picture.height}, file.getvalue())


CROP_PADDING = 32  # what EfficientNet's training left around the middle, in pixels of its input


def rgb(content: bytes, side: int) -> Answer:
    """Give the middle of an image as `side` x `side` pixels, cut out and resampled at once."""
    with opened(content) as header:
        smaller = min(header.size) // (_SPARE * (side + CROP_PADDING))
    image = plain(upright(decoded(content, smaller=max(1, smaller))))
    cut = min(image.size) * side / (side + CROP_PADDING)
    left, top = (image.width - cut) / 2, (image.height - cut) / 2
    middle = (left, top, left + cut, top + cut)
    picture = rgb_of(image.resize((side, side), Image.Resampling.BICUBIC, middle))
    return Answer({}, picture.tobytes())


def plain(image: Image.Image) -> Image.Image:
    """Bring an image of any mode to one that can be resampled: L, LA, RGB, RGBA or CMYK."""
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        return scaled(image.convert("I"), 0, 0xFFFF)
    if image.mode in ("I", "F"):  # of no fixed range
        return scaled(image, *cast("tuple[float, float]", image.getextrema()))
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def scaled(image: Image.Image, lowest: float, highest: float) -> Image.Image:
    """Spread the values of a deep grey image over 0 to 255."""
    spread = highest - lowest
    factor = 255 / spread if math.isfinite(spread) and spread > 0 else 0
    shift = -lowest * factor if factor else 0
    return image.point(lambda value: value * factor + shift).convert("L")


def rgb_of(image: Image.Image) -> Image.Image:
    """Bring a plain image to RGB: in the colours of its profile, on white where transparent."""
    alpha = image.getchannel("A") if image.mode.endswith("A") else None
    colours = in_srgb(image.convert(image.mode.removesuffix("A")))
    if alpha is None:
        return colours
    white = Image.new("RGB", image.size, "white")
    white.paste(colours, mask=alpha)
    return white


def in_srgb(image: Image.Image) -> Image.Image:
    """Bring L, RGB or CMYK to sRGB; a profile that is broken or of another mode is passed over."""
    profile = image.info.get("icc_profile")
    if profile:
        with contextlib.suppress(Exception):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB")
            if converted is not None:
                return converted
    return image.convert("RGB")


SRGB = ImageCms.createProfile("sRGB")

ANSWERS: Mapping[str, Callable[[bytes, int], Answer]] = {
    "look": look,
    "tiny": tiny,
    "rgb": rgb,
}


if __name__ == "__main__":
    main()
