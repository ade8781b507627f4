"""The upload report: who drove where, and which files the session has."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ingest_pipeline.errors import RefusedError
from ingest_pipeline.sessions.model import ND


class MalformedReportError(RefusedError):
    """A report cannot be understood; the message says where and why."""


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """What stands in the report as text that every database takes."""
    if value is None:
        return ND
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _section(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return {} if value is None else value


def _files(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Entries of another form name no file: they must not lose their neighbours."""
    if not isinstance(value, list):
        return [] if value is None else value
    return [entry for entry in value if isinstance(entry, dict)]


_Text = Annotated[str, BeforeValidator(_text)]


class _Open(BaseModel):
    """Immutable, and keeps the fields that nobody declared."""

    model_config = ConfigDict(frozen=True, extra="allow")


class BaseData(_Open):
    """Who drove."""

    driver: _Text = ND
    co_pilot: _Text = ND


class DataInfo(_Open):
    """Where, and what was said of it."""

    country: _Text = ND
    driver_comment: _Text = ND


class DriveInfo(_Open):
    """The drive's metadata; a missing section is one whose fields are all missing."""

    base_data: Annotated[BaseData, BeforeValidator(_section)] = Field(
        default_factory=BaseData, alias="Base_Data"
    )
    data_info: Annotated[DataInfo, BeforeValidator(_section)] = Field(
        default_factory=DataInfo, alias="Data_Info"
    )


class FileEntry(_Open):
    """A file of the session, by its path below it."""

    file: _Text = ND


class UploadReport(_Open):
    """`...logged_Upload_Report.json`."""

    drive_info: DriveInfo | None = None
    files: Annotated[tuple[FileEntry, ...], BeforeValidator(_files)] = Field((), alias="FileList")


def parse_report(content: bytes) -> UploadReport:
    """The report in a file's content.

    Raises:
        MalformedReportError: it is no JSON, or its parts have another form.
    """
    try:
        return UploadReport.model_validate_json(_decoded(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise MalformedReportError(f"{place}: {first['msg']}".removeprefix(": ")) from error


def _decoded(content: bytes) -> str:
    """UTF-8, -16 or -32, with or without a mark of it, and whatever is none of them as Latin-1.

    JSON's own characters are the same in all of these: at worst a name looks odd, but no event is
    lost for it.
    """
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeDecodeError:
        return content.decode("latin-1")
