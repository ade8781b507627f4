"""A flood: many messages wait while the sensor is off; it is turned on, and the clock runs."""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.harness import remaining, running_system, upload, wait_until
from ingest_pipeline.settings import Settings
from ingest_pipeline.system import System

_SECONDS = 900  # at most
_POLL_SECONDS = 0.1
_INGEST = "ingest_objects_sensor"
_STATE = """query($selector: SensorSelector!) {
  sensorOrError(sensorSelector: $selector) { ... on Sensor { sensorState { id status } } } }"""
_STOP = """mutation($id: String) {
  stopSensor(id: $id) { __typename ... on PythonError { message } } }"""
_START = """mutation($selector: SensorSelector!) {
  startSensor(sensorSelector: $selector) { __typename ... on PythonError { message } } }"""


@dataclass(frozen=True)
class Flood:
    """How long a flood took."""

    count: int
    seconds: float  # from the sensor's start to the queue empty
    after_first: float  # from the first message answered to the queue empty

    @property
    def steady_rate(self) -> float:
        """Objects a second once the first is done: without the wait for the first run."""
        return (self.count - 1) / self.after_first if self.count > 1 else 1 / self.seconds


def flood(count: int, size: int, **overrides: int) -> Flood:
    """Take in `count` objects of `size` bytes with a fresh running system."""
    with running_system(**overrides) as config:
        return flood_of(config, System(config), count, size)


def flood_of(config: Settings, system: System, count: int, size: int, name: str = "flood") -> Flood:
    """The same with the running system at hand, and its AWS."""
    stop_sensor(config, _INGEST)
    upload(system, name, count, size)
    begun = time.monotonic()
    _start_sensor(config, _INGEST)
    wait_until(lambda: remaining(system) < count, _SECONDS, _POLL_SECONDS)
    first = time.monotonic()
    wait_until(lambda: remaining(system) == 0, _SECONDS, _POLL_SECONDS)
    ended = time.monotonic()
    return Flood(count, ended - begun, ended - first)


def stop_sensor(config: Settings, name: str) -> None:
    """Turn a sensor off, and wait for the end of a tick that waits at its queue."""
    state = _ask(config, _STATE, selector=_selector(name))["sensorOrError"]["sensorState"]
    answer = _ask(config, _STOP, id=state["id"])["stopSensor"]
    if answer["__typename"] != "StopSensorMutationResult":
        raise RuntimeError(f"the sensor was not stopped: {answer}")
    time.sleep(config.wait_seconds + 2)


def _start_sensor(config: Settings, name: str) -> None:
    answer = _ask(config, _START, selector=_selector(name))["startSensor"]
    if answer["__typename"] != "Sensor":
        raise RuntimeError(f"the sensor was not started: {answer}")


def _selector(name: str) -> dict[str, str]:
    return {
        "repositoryLocationName": "ingest_pipeline",
        "repositoryName": "__repository__",
        "sensorName": name,
    }


def _ask(config: Settings, query: str, **variables: object) -> Any:  # noqa: ANN401 - GraphQL's JSON
    response = httpx.post(
        f"{config.ui_url}/graphql",
        json={"query": query, "variables": variables},
        timeout=60,
        trust_env=False,
    )
    answer = response.raise_for_status().json()
    if "errors" in answer:
        raise RuntimeError(str(answer["errors"]))
    return answer["data"]
