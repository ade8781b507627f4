"""Signs of life."""

from fastapi import APIRouter, Response

from ingest_pipeline.api.dependencies import TheMonitor
from ingest_pipeline.api.models import Health, Hello

router = APIRouter(tags=["status"])


@router.get("/")
def hello() -> Hello:
    """Answer without asking anybody else."""
    return Hello()


@router.get("/health", responses={503: {"model": Health}})
def get_health(monitor: TheMonitor, response: Response) -> Health:
    """Whether AWS and Dagster answer within two seconds, and how full the queues are."""
    health = monitor.health()
    if not (health.aws.ok and health.dagster.ok):
        response.status_code = 503
    return health
