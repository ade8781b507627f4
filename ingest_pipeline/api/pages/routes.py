"""The routes of the HTML face."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials
from fastapi.security.utils import get_authorization_scheme_param
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from ingest_pipeline.api.dependencies import TheMonitor, TheSystem
from ingest_pipeline.api.health import Monitor
from ingest_pipeline.api.identity import Operator, operator
from ingest_pipeline.api.keys import ObjectKey
from ingest_pipeline.api.models import Hello
from ingest_pipeline.api.pages import cards, sessions, views, words
from ingest_pipeline.api.pages.rendering import PageRoute, page, static_files
from ingest_pipeline.api.pages.streams import StreamAddress
from ingest_pipeline.api.pages.strip import Strip
from ingest_pipeline.aws.objects.signing import VALID_SECONDS
from ingest_pipeline.aws.objects.state import (
    ObjectGoneError,
    ObjectReplacedError,
    is_current,
)
from ingest_pipeline.aws.objects.versions import open_version, read_object
from ingest_pipeline.catalogue.history import UNKNOWN, latest_transcript
from ingest_pipeline.catalogue.links import Links, Use
from ingest_pipeline.catalogue.pages import Catalogue
from ingest_pipeline.catalogue.walk import Search
from ingest_pipeline.media.speech.captions import plain_text, webvtt
from ingest_pipeline.pipeline.ingest.restore import NotRestorableError
from ingest_pipeline.pipeline.queue.redrive import redrive_object
from ingest_pipeline.records.model import Report
from ingest_pipeline.records.places import STREAM_TYPES
from ingest_pipeline.records.tables import (
    PREVIEWS,
    RENDITIONS,
    REPORTS,
    rendition_key,
    report_key,
)
from ingest_pipeline.system import System
from ingest_pipeline.values import object_uri

_NOTICES = {
    "restored": "It is back in its bucket, is looked at once more, and is left alone from now on.",
    "again": "It is on its way through the pipeline again; its outcome follows within seconds.",
}

_PLAYLISTS = {STREAM_TYPES[end] for end in ("m3u8", "mpd", "vtt")}
_CHUNK = 256 * 1024  # bytes
_Text = Annotated[str, Query(max_length=1024)]
_Bucket = Annotated[str, Path(min_length=3, max_length=63, pattern="^[a-z0-9][a-z0-9.-]+[a-z0-9]$")]
_Key = Annotated[ObjectKey, Query(min_length=1)]
_Version = Annotated[str, Query(min_length=1, max_length=1024)]
router = APIRouter(route_class=PageRoute)
guarded = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Operator])
uploads = APIRouter(include_in_schema=False, dependencies=[Operator])  # its errors are read by us


def _clean(name: str) -> str:
    """A file's name as its key: without what no person sees in a name."""
    kept = "".join(each for each in name if ord(each) >= ord(" ") and each != "\x7f").strip("/")
    if not kept:
        raise ValueError("a name is wanted")
    return kept


class Asked(Search):
    """What the address of a page asks for; fields of the form that are left empty ask nothing."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field("", max_length=1024)
    label: str = Field("", max_length=1024)
    said: str = Field("", max_length=1024)
    cursor: str | None = Field(None, max_length=16384)

    @classmethod
    def of(cls, request: Request) -> "Asked":
        """Read an address.

        Raises:
            RequestValidationError: something in it is nothing that can be asked.
        """
        try:
            return cls.model_validate({n: v for n, v in request.query_params.items() if v})
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error

    @property
    def search(self) -> Search:
        """Without the place to start from."""
        return Search.model_validate(self.model_dump(exclude={"cursor"}))


@router.get("/", response_model=Hello, tags=["status"])
async def home(request: Request, system: TheSystem, monitor: TheMonitor) -> Response | Hello:
    """The catalogue for browsers, a sign of life for everybody else.

    Pages of other origins may ask for the sign of life, so they are never shown the catalogue.
    """
    if "text/html" not in request.headers.get("Accept", "") or "Origin" in request.headers:
        return Hello()
    await operator(request, _credentials(request))
    return await run_in_threadpool(_catalogue, request, system, monitor)


def _catalogue(request: Request, system: System, monitor: Monitor) -> Response:
    asked = Asked.of(request)
    search = asked.search
    found = Catalogue(system.tables).page(search, asked.cursor)
    return page(
        request,
        "catalogue.html",
        search=search,
        is_filtered=search != Search(),
        kinds=cards.kind_chips(search),
        outcomes=cards.outcome_chips(search),
        cards=list(map(cards.card_view, found.cards)),
        is_first=asked.cursor is None,
        first_href=cards.query_of(search),
        next_href=cards.query_of(search, cursor=found.cursor) if found.cursor else None,
        searched_to=found.searched_to,
        strip=Strip.of(system, monitor),
    )


def _credentials(request: Request) -> HTTPAuthorizationCredentials | None:
    """As FastAPI would hand them over, if the sign of life asked for any."""
    scheme, credentials = get_authorization_scheme_param(request.headers.get("Authorization"))
    return HTTPAuthorizationCredentials(scheme=scheme, credentials=credentials) if scheme else None


@guarded.get("/catalogue/{bucket}")
def show_object(
    request: Request,
    system: TheSystem,
    bucket: _Bucket,
    key: _Key,
    notice: Literal["restored", "again"] | None = None,
) -> Response:
    """Everything about a key: its newest version, and the story of all."""
    return _object_page(request, system, bucket, key, notice=_NOTICES.get(notice or ""))


@guarded.post("/catalogue/{bucket}/restore")
def restore(request: Request, system: TheSystem, bucket: _Bucket, key: _Key) -> Response:
    """Bring a refused or deleted object back."""
    try:
        system.restorer().restore(bucket, key)
    except NotRestorableError:
        problem = "There is nothing to restore: no version of it was refused or deleted."
    except ObjectReplacedError:
        problem = "It cannot be restored: a newer file stands under its name, which would be lost."
    except ObjectGoneError:
        problem = "It cannot be restored any more: deleted files are kept for 30 days."
    else:
        return _back(bucket, key, "restored")
    return _object_page(request, system, bucket, key, problem=problem, status=409)


@guarded.post("/catalogue/{bucket}/again")
def process_again(request: Request, system: TheSystem, bucket: _Bucket, key: _Key) -> Response:
    """Have what stands at a key looked at once more."""
    try:
        redrive_object(system.clients.s3, system.tables, system.queues.ingest.queue, bucket, key)
    except ObjectGoneError:
        problem = "Nothing stands under this name any more. Restore it first, if it was deleted."
        return _object_page(request, system, bucket, key, problem=problem, status=409)
    return _back(bucket, key, "again")


def _back(bucket: str, key: str, notice: str) -> Response:
    return RedirectResponse(f"{views.object_href(bucket, key)}&notice={notice}", 303)


def _object_page(
    request: Request,
    system: System,
    bucket: str,
    key: str,
    *,
    status: int = 200,
    notice: str | None = None,
    problem: str | None = None,
) -> Response:
    story = system.history(bucket, key)
    catalogue = Catalogue(system.tables)
    whole = catalogue.whole(bucket, key, story.version) if story.version else None
    if story.outcome == UNKNOWN and status == 200:  # noqa: PLR2004
        status = 404
    return page(
        request,
        "object.html",
        status=status,
        object=views.object_view(story, whole),
        notice=notice,
        problem=problem,
    )


@guarded.get("/content/{bucket}")
def content(
    system: TheSystem,
    bucket: _Bucket,
    key: _Key,
    version: _Text = "",
    preset: _Text = "",
    *,
    download: bool = False,
) -> Response:
    """Lead to a version's bytes, or to a rendition of it; without a version, to the newest's.

    Others keep the address without a version for years: the event database does.
    """
    is_newest = not version
    version = version or _newest(system, bucket, key)
    if not version:
        raise HTTPException(404, "nothing is known of it")
    uri, links = object_uri(bucket, key), Links(system.clients.s3)
    if preset:
        rendition = system.tables.get(RENDITIONS, rendition_key(uri, version, preset))
        if rendition is None:
            raise HTTPException(404, "there is no such rendition")
        return _lead_to(links.rendition(rendition))
    report = system.tables.get(REPORTS, report_key(uri, version))
    if report is None:
        if is_newest and bucket == system.config.session_bucket:
            return _lead_to(links.standing(bucket, key, Use.saved(key)))  # not looked at yet
        raise HTTPException(404, "there is no such version")
    use = Use.of(report, download=download)
    if is_current(system.clients.s3, report):
        return _lead_to(links.content(report, use))
    return _stream(system, report, use)


def _newest(system: System, bucket: str, key: str) -> str:
    """The version that stands at a key, or stood there last; empty where none is known."""
    return system.history(bucket, key).version or ""


def _stream(system: System, report: Report, use: Use) -> Response:
    """What was taken out of the bucket, through this process.

    The embedded AWS gives older versions under the type that they were put with, which a browser
    might run, and always whole.
    """
    try:
        body = open_version(system.clients.s3, report)
    except ObjectGoneError as error:
        raise HTTPException(404, "this version is kept no longer") from error
    return StreamingResponse(
        body.iter_chunks(_CHUNK),
        media_type=use.content_type,
        headers={
            "Content-Disposition": use.disposition,
            "Content-Length": str(report.size),
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, max-age=3600",
        },
        background=BackgroundTask(body.close),
    )


@guarded.get("/stream/{bucket}/{place}/{name}")
def stream_file(system: TheSystem, bucket: _Bucket, place: str, name: str) -> Response:
    """A file of a ladder: a playlist as it stands, whose names lead here, or the way to any other.

    Each segment is asked for here, and gets a link of its own: a film may last longer than one.
    """
    address = StreamAddress.decoded(place)
    key = address and rendition_key(
        object_uri(bucket, address.key), address.version, address.preset
    )
    rendition = system.tables.get(RENDITIONS, key) if key else None
    if rendition is None or name not in rendition.files:
        raise HTTPException(404, "there is no such stream")
    content_type = STREAM_TYPES[name.rpartition(".")[2]]
    if content_type not in _PLAYLISTS:
        return _lead_to(Links(system.clients.s3).stream_file(rendition, name, content_type))
    folder = rendition.rendition_key.rpartition("/")[0]
    try:
        text = read_object(system.clients.s3, rendition.rendition_bucket, f"{folder}/{name}")
    except ObjectGoneError as error:
        raise HTTPException(404, "there is no such stream") from error
    return Response(text, media_type=content_type, headers={"Cache-Control": "private, max-age=60"})


@guarded.get("/pictures/{bucket}")
def picture(
    system: TheSystem,
    bucket: _Bucket,
    key: _Key,
    version: _Version,
    which: Literal["preview", "strip"] = "preview",
) -> Response:
    """Lead to the small picture of a version."""
    preview = system.tables.get(PREVIEWS, report_key(object_uri(bucket, key), version))
    found = (preview.strip_key if which == "strip" else preview.preview_key) if preview else None
    if preview is None or found is None:
        raise HTTPException(404, "there is no picture of it")
    return _lead_to(Links(system.clients.s3).picture(preview, found))


def _lead_to(link: str) -> Response:
    """The way to a link, which a browser may remember for half as long as it is good."""
    return RedirectResponse(link, 307, {"Cache-Control": f"private, max-age={VALID_SECONDS // 2}"})


@guarded.get("/transcripts/{bucket}")
def transcript(
    system: TheSystem,
    bucket: _Bucket,
    key: _Key,
    version: _Version,
    form: Literal["vtt", "txt"] = "vtt",
    *,
    download: bool = False,
) -> Response:
    """What is said in a version: captions for a player, or text, shown or to be saved."""
    found = latest_transcript(system.tables, object_uri(bucket, key), version)
    if found is None or not found.has_text:
        raise HTTPException(404, "there is no transcript of it")
    content, media_type = (
        (webvtt(found.segments), "text/vtt")
        if form == "vtt"
        else (plain_text(found.segments), "text/plain")
    )
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    if download:
        name = quote(f"{key.rpartition('/')[2]}.{form}", safe="")
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    return Response(content, media_type=f"{media_type}; charset=utf-8", headers=headers)


class NewUpload(BaseModel):
    """A file that a person wants to put in."""

    name: Annotated[ObjectKey, AfterValidator(_clean), Field(min_length=1)]
    size: Annotated[int, Field(ge=0)]


class UploadLink(BaseModel):
    """Where to put it."""

    url: str
    key: str


@uploads.post("/uploads")
def invite_upload(system: TheSystem, upload: NewUpload) -> UploadLink:
    """A link to put one file, within an hour. A name that is there already gets a new version."""
    most = system.config.max_upload_bytes
    if upload.size > most:
        raise HTTPException(
            413, f"it has {words.size(upload.size)}; at most {words.size(most)} are taken"
        )
    link = Links(system.clients.s3).upload(system.config.bucket, upload.name, upload.size)
    return UploadLink(url=link, key=upload.name)


@guarded.get("/uploads")
def show_upload(request: Request, system: TheSystem, key: _Key, etag: _Version) -> Response:
    """What has become of an upload so far, as a card."""
    bucket = system.config.bucket
    card = Catalogue(system.tables).upload(bucket, key, etag)
    view = cards.card_view(card) if card else cards.waiting_card(bucket, key)
    return page(request, "upload.html", card=view)


@guarded.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    """A style sheet, a script or a drawing."""
    file = static_files().get(name)
    if file is None:
        raise HTTPException(404, "there is no such file")
    headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match") == file.etag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


for _part in (guarded, uploads, sessions.router):
    router.include_router(_part)
