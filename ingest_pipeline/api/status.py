"""Signs of life."""

from fastapi import APIRouter, Response

from ingest_pipeline.api.basic import TheUser
from ingest_pipeline.api.dependencies import TheMonitor
from ingest_pipeline.api.identity import Operator
from ingest_pipeline.api.models import Alive, Health, Hello, Message

OPEN_PATHS = ("/", "/hello", "/hello/")  # to pages of any origin
SIGNS_OF_LIFE = ("/livez", "/readyz")  # which tell nothing that could be of use to anybody
router = APIRouter(tags=["status"])


@router.get("/hello/", include_in_schema=False)  # as older clients ask
@router.get("/hello", responses={401: {"model": Message}})
async def hello_user(user: TheUser) -> Hello:
    """Greet who asks: whether a password is right, without asking for anything else."""
    return Hello(hello=user)


@router.get("/livez")
async def get_life() -> Alive:
    """Whether this process answers: nothing else is asked, and nobody needs a password."""
    return Alive(ok=True)


@router.get("/readyz", responses={503: {"model": Alive}})
def get_readiness(monitor: TheMonitor, response: Response) -> Alive:
    """Whether requests can be served: AWS answered within the last seconds. Dagster may be away."""
    ready = Alive(ok=monitor.is_ready())
    if not ready.ok:
        response.status_code = 503
    return ready


@router.get("/health", responses={503: {"model": Health}}, dependencies=[Operator])
def get_health(monitor: TheMonitor, response: Response) -> Health:
    """Whether AWS and Dagster answer within two seconds, and how full the queues are."""
    health = monitor.health()
    if not (health.aws.ok and health.dagster.ok):
        response.status_code = 503
    return health
