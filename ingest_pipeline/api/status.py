"""Signs of life."""

from fastapi import APIRouter, Response

from ingest_pipeline.api.auth import TheUser
from ingest_pipeline.api.dependencies import TheMonitor
from ingest_pipeline.api.identity import Operator
from ingest_pipeline.api.models import Health, Hello, Message

OPEN_PATHS = ("/", "/hello", "/hello/")  # to pages of any origin
router = APIRouter(tags=["status"])


@router.get("/hello/", include_in_schema=False)  # as older clients ask
@router.get("/hello", responses={401: {"model": Message}})
def hello_user(user: TheUser) -> Hello:
    """Greet who asks: whether a password is right, without asking for anything else."""
    return Hello(hello=user)


@router.get("/health", responses={503: {"model": Health}}, dependencies=[Operator])
def get_health(monitor: TheMonitor, response: Response) -> Health:
    """Whether AWS and Dagster answer within two seconds, and how full the queues are."""
    health = monitor.health()
    if not (health.aws.ok and health.dagster.ok):
        response.status_code = 503
    return health
