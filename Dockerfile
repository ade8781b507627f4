# The Dagster code location; any other command runs in the same image, for instance
#   ingest-pipeline worker
#   python -m ingest_pipeline.workers.daemon run --workspace /app/workspace.services.yaml
#   dagster-webserver --host 0.0.0.0 --workspace /app/workspace.services.yaml
#   dagster job execute --module-name ingest_pipeline.definitions --job ingest_sessions
#   python -m ingest_pipeline.api
#   ingest-pipeline sessions list
# Settings and credentials come with the container: variables, roles, mounted files. Whatever opens
# the Dagster instance wants the variables that infra/dagster.yaml lists. The health check is the code
# location's: other commands are run with --no-healthcheck, or one of their own.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
WORKDIR /app
COPY requirements.runtime.lock.txt ./
RUN /venv/bin/pip install --require-hashes --no-deps -r requirements.runtime.lock.txt
# The instance of a deployment and its other choice, what daemon and web server load beside a code
# server, and what infra/service.yaml starts every command with.
COPY infra/dagster.yaml infra/dagster.ecs.yaml infra/workspace.services.yaml infra/entrypoint.sh ./
COPY LICENSE pyproject.toml README.md workspace.yaml ./
COPY ingest_pipeline ingest_pipeline
# In place, as in a checkout: settings and rules are found beside the package.
RUN /venv/bin/pip install --no-deps --no-build-isolation --editable . \
    && /venv/bin/pip uninstall --yes setuptools pip \
    && find /venv -type d -name tests -prune -exec rm -r {} +

FROM python:3.11.14-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    INGEST_AWS=real \
    INGEST_HOME=/state \
    DAGSTER_HOME=/state/dagster
RUN useradd --system --uid 10001 --create-home ingest \
    && mkdir -p /state/dagster \
    && chown -R ingest /state
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY --chown=ingest infra/dagster.yaml /state/dagster/
USER 10001
WORKDIR /state
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["dagster", "api", "grpc-health-check", "--port", "4000"]
CMD ["dagster", "code-server", "start", "--host", "0.0.0.0", "--port", "4000", "--module-name", "ingest_pipeline.definitions"]
