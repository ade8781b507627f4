"""Session trees as vehicles upload them, for demonstrations, tests and measurements."""

import io
import json
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

_ANNOTATIONS = ("medium", "hard", "comfort", "überholen")
_PEOPLE = (("Ada O'Neill", "Grace Hopper"), ("Jürgen Groß", "Zoë Åkesson"))
_PLACES = (("DE", 'Wet road; it\'s "fine"'), ("日本", "雨の日 🌧"))
_FIRST_FRAME = 1000
_FRAMES_A_SECOND = 10


@dataclass(frozen=True)
class SampleSession:
    """One session, complete with report, logs and recordings."""

    vehicle: str
    started: datetime
    number: int
    tags: int = 3
    logs: int = 1
    log_lines: int = 200  # of each log, one a frame
    release: str = "AV11"

    @property
    def session_id(self) -> str:
        """For instance `AV11_V236_230717_111649_62100`."""
        return f"{self.release}_{self.vehicle}_{self.started:%y%m%d_%H%M%S}_{self.number}"

    @property
    def prefix(self) -> str:
        """The session's folder, ending in a slash."""
        return f"{self.vehicle}/{self.started:%y%m%d}/{self.started:%H%M%S}/{self.session_id}/"

    @property
    def audio_tags(self) -> list[str]:
        """The recordings' paths below the session, spread evenly over the logs' frames."""
        step = max(1, self.logs * self.log_lines // max(1, self.tags))
        return [
            f"{self._recorder}audio_tags/{_FIRST_FRAME + number * step}_{number}_"
            f"{_ANNOTATIONS[number % len(_ANNOTATIONS)]}.wav"
            for number in range(self.tags)
        ]

    @property
    def report(self) -> dict[str, Any]:
        """The upload report."""
        driver, co_pilot = _PEOPLE[self.number % len(_PEOPLE)]
        country, comment = _PLACES[self.number % len(_PLACES)]
        files = [*self.audio_tags, *self._log_paths()]
        return {
            "version": 3,
            "drive_info": {
                "Base_Data": {"driver": driver, "co_pilot": co_pilot, "shift": "early"},
                "Data_Info": {"country": country, "driver_comment": comment},
            },
            "FileList": [{"file": path, "status": "uploaded"} for path in files],
        }

    def objects(self) -> Iterator[tuple[str, bytes]]:
        """Keys and contents; the report comes last, as it does from a vehicle."""
        for path in self.audio_tags:
            yield self.prefix + path, recording()
        for number, path in enumerate(self._log_paths()):
            yield self.prefix + path, self._log(number)
        report = json.dumps(self.report, ensure_ascii=False).encode()
        yield f"{self.prefix}{self.session_id}_logged_Upload_Report.json", report

    def _log_paths(self) -> list[str]:
        folder = f"{self._recorder}AV_logs/DisplayLogs/"
        return [f"{folder}display_{number:02}.log" for number in range(self.logs)]

    @property
    def _recorder(self) -> str:
        """The folder of the vehicle's recorder below the session, ending in a slash."""
        return f"nv0/{self.session_id}/"

    def _log(self, number: int) -> bytes:
        first = number * self.log_lines
        lines = ["# display log, format 2", *map(self._line, range(first, first + self.log_lines))]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _line(self, index: int) -> str:
        moment = self.started + timedelta(seconds=index // _FRAMES_A_SECOND)
        frame = _FIRST_FRAME + index
        return f"DISPLAY, {moment:%d/%m/%Y %H:%M:%S}, frame: {frame}, speed: {index % 130} km/h"


def sample_sessions(
    count: int,
    *,
    vehicles: Sequence[str] = ("V236", "V237"),
    first_day: date = date(2023, 7, 17),
    days: int = 1,
    tags: int = 3,
    logs: int = 1,
    log_lines: int = 200,
) -> Iterator[SampleSession]:
    """So many sessions, dealt out evenly over vehicles and days, each at a time of its own."""
    rounds = -(-count // (len(vehicles) * days))  # sessions of a vehicle on a day, rounded up
    for number in range(count):
        on_day, vehicle = divmod(number, len(vehicles))
        slot, day = divmod(on_day, days)
        midnight = datetime.combine(first_day + timedelta(days=day), time.min)
        yield SampleSession(
            vehicle=vehicles[vehicle],
            started=midnight + timedelta(days=1) * slot // rounds,
            number=number,
            tags=tags,
            logs=logs,
            log_lines=log_lines,
        )


@cache
def recording() -> bytes:
    """A hundredth of a second of silence: stereo, 48 kHz, 24 bits."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(3)
        file.setframerate(48_000)
        file.writeframes(bytes(480 * 2 * 3))
    return content.getvalue()
