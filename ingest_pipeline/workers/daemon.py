"""Dagster's daemon, which looks twice a second whether a sensor is due, not every five seconds.

A sensor that has just found something is not at its queue until the next look: the constant is
Dagster's private one, and half of it is what every second of two uploads would wait.
"""

import dagster._daemon.sensor as sensor_daemon
from dagster._daemon import controller
from dagster._daemon.cli import main

from ingest_pipeline.logs import configure
from ingest_pipeline.settings import settings

_LOOP_SECONDS = 0.5
_LOGGERS = "configure_loggers"

if __name__ == "__main__":
    sensor_daemon.MIN_INTERVAL_LOOP_TIME = _LOOP_SECONDS  # type: ignore[assignment] # slept for
    setattr(controller, _LOGGERS, lambda **_options: configure(settings(), "daemon"))
    main()
