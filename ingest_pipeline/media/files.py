"""Files as the probes read them: seekable, perhaps with a budget of reads."""

from typing import Protocol

from ingest_pipeline.errors import RefusedError


class SeekableFile(Protocol):
    """What a file must offer to be walked; `read` gives fewer bytes only at the end."""

    def read(self, size: int, /) -> bytes:
        """Read up to `size` bytes from the position, all of them where it is negative."""
        ...

    def seek(self, offset: int, /) -> int:
        """Move the position to a byte counted from the start."""
        ...


class FilePart:
    """A file from one of its bytes on, as a file of its own."""

    def __init__(self, file: SeekableFile, start: int) -> None:
        """The part begins at byte `start` of `file`, whose position is moved."""
        self._file = file
        self._start = start
        self.seek(0)

    def read(self, size: int, /) -> bytes:
        """Read as the file does."""
        return self._file.read(size)

    def seek(self, offset: int, /) -> int:
        """Move the position to a byte counted from the part's start."""
        return self._file.seek(self._start + offset) - self._start


class ReadBudgetError(RefusedError):
    """A file object refuses to fetch more: a sound header needs 3 blocks, a hostile one any."""

    def __init__(self, blocks: int) -> None:
        """`blocks` is the number that may be fetched for one file."""
        super().__init__(f"more than {blocks} blocks")
