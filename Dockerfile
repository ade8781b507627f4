# The Dagster code location; any other command runs in the same image, for instance
#   ingest-pipeline sessions list
#   dagster job execute -m ingest_pipeline.definitions -j reconcile
# Settings and credentials come with the container: variables, roles, mounted files.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
WORKDIR /build
COPY requirements.lock.txt ./
RUN /venv/bin/pip install --require-hashes --no-deps -r requirements.lock.txt
COPY pyproject.toml README.md ./
COPY ingest_pipeline ingest_pipeline
RUN /venv/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    INGEST_AWS=real \
    INGEST_HOME=/state \
    DAGSTER_HOME=/state/dagster
RUN useradd --system --uid 10001 --create-home ingest \
    && mkdir -p /state/dagster \
    && chown -R ingest /state
COPY --from=build /venv /venv
COPY --chown=ingest dagster.yaml /state/dagster/
USER 10001
WORKDIR /state
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s \
    CMD ["dagster", "api", "grpc-health-check", "--port", "4000"]
CMD ["dagster", "code-server", "start", "--host", "0.0.0.0", "--port", "4000", "--module-name", "ingest_pipeline.definitions"]
