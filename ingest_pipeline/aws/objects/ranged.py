"""A version of an object as a seekable file that fetches 64 KiB blocks."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ingest_pipeline.aws.objects.content import save
from ingest_pipeline.aws.objects.state import (
    ObjectArchivedError,
    ObjectReplacedError,
    ObjectState,
    archive_of,
    error_code,
    state_of,
    translated,
    whole_size,
)
from ingest_pipeline.media.files import ReadBudgetError
from ingest_pipeline.records.model import (
    ObjectRef,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BLOCK = 64 * 1024  # bytes; the header of a WAV fits in one
_MAX_BLOCKS = 64


class RangedObject(io.RawIOBase):
    """A version of an object as a seekable file: reads whole blocks, keeps what it read.

    Every request is conditional on the ETag of the first, so a file is never pieced together
    from two uploads. `calls` and `bytes_read` count what the reading took.

    Raises on opening:
        ObjectGoneError, ObjectReplacedError: the object is not there as the reference says.
        ObjectArchivedError: it is in an archive; the message is its storage class.
    Raises on reading:
        ReadBudgetError: more than `max_blocks` were asked for, other than by reading all.
        ObjectGoneError, ObjectReplacedError: it was deleted or overwritten meanwhile.
    """

    def __init__(
        self,
        s3: "S3Client",
        ref: ObjectRef,
        *,
        noncurrent: bool = False,
        max_blocks: int = _MAX_BLOCKS,
    ) -> None:
        super().__init__()
        self._s3 = s3
        self._max_blocks = max_blocks
        self._where: dict[str, Any] = {"Bucket": ref.bucket, "Key": ref.key}
        self._position = 0
        self._blocks: dict[int, bytes] = {}
        self.calls = 0
        self.bytes_read = 0
        if noncurrent and ref.version:
            self._where["VersionId"] = ref.version
        if ref.etag:
            self._where["IfMatch"] = f'"{ref.etag}"'
        self.state = self._open(expect_empty=ref.size == 0)
        if ref.version and self.state.version and self.state.version != ref.version:
            raise ObjectReplacedError(f"version {self.state.version} stands there")
        self._where["IfMatch"] = f'"{self.state.etag}"'

    def _open(self, *, expect_empty: bool) -> ObjectState:
        if expect_empty:
            return self._head()
        try:
            response, self._blocks[0] = self._get(0, BLOCK - 1)
        except ClientError as error:
            if error_code(error) == "InvalidRange":  # no byte satisfies a range of an empty object
                return self._head()
            raise
        return state_of(response, whole_size(response))

    def _head(self) -> ObjectState:
        response = self._call(self._s3.head_object)
        return state_of(response, response["ContentLength"])

    def _get(self, start: int, end: int) -> tuple[Any, bytes]:
        """Answer with these bytes, also where the server sends the whole instead, as HTTP allows.

        (The embedded AWS does so when asked for a version.)
        """
        response = self._call(self._s3.get_object, Range=f"bytes={start}-{end}")
        content = response["Body"].read()
        self.bytes_read += len(content)
        is_range = "ContentRange" in response
        return response, content if is_range else content[start : end + 1]

    def _call(self, operation: Any, **request: Any) -> Any:  # noqa: ANN401 - boto3's shapes
        self.calls += 1
        try:
            return operation(**self._where, **request)
        except ClientError as error:
            if archive := archive_of(error):
                raise ObjectArchivedError(archive) from error
            raise translated(error) from error

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) >= self._max_blocks:
                raise ReadBudgetError(self._max_blocks)
            start = number * BLOCK
            end = min(start + BLOCK, self.state.size) - 1
            _, self._blocks[number] = self._get(start, end)
        return self._blocks[number]

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        """Fill the buffer; less only at the end of the object."""
        filled = 0
        while filled < len(buffer) and self._position < self.state.size:
            number, offset = divmod(self._position, BLOCK)
            piece = self._block(number)[offset : offset + len(buffer) - filled]
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._position += len(piece)
        return filled

    def readall(self) -> bytes:
        """Read from the position to the end, each stretch that is not held yet in one call.

        It is not kept, and there may be any amount of it: look at `state.size` first.
        """
        pieces = []
        while self._position < self.state.size:
            number, offset = divmod(self._position, BLOCK)
            if number in self._blocks:
                piece = self._blocks[number][offset:]
            else:
                starts = (held * BLOCK for held in self._blocks if held > number)
                _, piece = self._get(self._position, min(starts, default=self.state.size) - 1)
            pieces.append(piece)
            self._position += len(piece)
        return b"".join(pieces)

    def save_to(self, path: Path) -> None:
        """Stream all of it to a file, in one call; nothing is kept here.

        Raises:
            ObjectGoneError, ObjectReplacedError: it was deleted or overwritten meanwhile.
        """
        save(self._call(self._s3.get_object)["Body"], path)
        self.bytes_read += self.state.size

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes; seeking fetches nothing."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a byte position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.state.size}
        self._position = max(0, base[whence] + offset)
        return self._position

    def tell(self) -> int:
        """The byte position."""
        return self._position
