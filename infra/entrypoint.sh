#!/bin/sh
# In a container, before its command: what a service hands over as variables becomes what the
# settings name. ECS and Kubernetes put secrets into variables, and some of ours are whole files;
# the password of the broker stands in its URL.
set -eu
umask 077

# The content of a variable becomes a file, which another variable names.
keep() {  # from, file, to
    eval "content=\${$1-}"
    if [ -n "$content" ]; then
        printf %s "$content" > "$INGEST_HOME/$2"
        export "$3=$INGEST_HOME/$2"
        unset "$1"
    fi
}

keep SOURCES sources.toml INGEST_SOURCES
keep EVENT_DB event-db INGEST_EVENT_DB_FILE
keep USERS users INGEST_BASIC_USERS
keep TOKEN_KEY token-key INGEST_JWT_KEY_FILE

if [ -n "${BROKER_PASSWORD-}" ]; then
    export INGEST_WORKERS="rediss://:$BROKER_PASSWORD@$BROKER_HOST:6379/0?ssl_cert_reqs=CERT_REQUIRED"
    unset BROKER_PASSWORD
fi

if [ "${RUN_LAUNCHER-}" = ecs ]; then
    cp /app/dagster.ecs.yaml "$DAGSTER_HOME/dagster.yaml"
fi

exec "$@"
