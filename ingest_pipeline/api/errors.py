"""What a client reads when something went wrong: a message, never a traceback."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ingest_pipeline.api.access_log import ID_HEADER
from ingest_pipeline.aws.cursors import InvalidCursorError
from ingest_pipeline.aws.errors import AWS_ERRORS
from ingest_pipeline.errors import TransientError
from ingest_pipeline.trace import request_id

_log = logging.getLogger(__name__)


def handle_errors(app: FastAPI) -> None:
    """Answer every error in JSON."""
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(InvalidCursorError)(_bad_cursor)
    for kind in (*AWS_ERRORS, TransientError):
        app.exception_handler(kind)(_aws_away)
    app.exception_handler(Exception)(_our_fault)


def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
    """FastAPI's answer without the input, which may hold what no JSON can: NaN, lone surrogates."""
    mistakes = [{name: each[name] for name in ("type", "loc", "msg")} for each in error.errors()]
    return JSONResponse({"detail": mistakes}, 422)


def _refused(_request: Request, error: HTTPException) -> JSONResponse:
    return JSONResponse({"message": error.detail}, error.status_code, error.headers)


def _bad_cursor(_request: Request, error: InvalidCursorError) -> JSONResponse:
    return JSONResponse({"message": str(error)}, 400)


def _aws_away(request: Request, error: Exception) -> JSONResponse:
    _log.warning("%s %s: %s", request.method, request.url.path, error)
    return JSONResponse({"message": f"AWS does not answer: {type(error).__name__}"}, 503)


def _our_fault(_request: Request, _error: Exception) -> JSONResponse:
    """Starlette logs the error itself, and answers past the middleware that tells the id."""
    request = request_id()
    headers = {ID_HEADER: request} if request else {}
    return JSONResponse({"message": "internal error"}, 500, headers)
