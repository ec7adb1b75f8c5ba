"""The minutes of the cloud that `make local` keeps up: `python -m local.drills.live FOLDER` makes them pass in real time.

Users ask, what AWS would publish is published, and the alarms are judged; the functions' schedules run by themselves. The
cloud's clock begins some minutes behind real time: before the first real minute, alarms have something to look back on, and
monitoring has armed itself.
What people are told is written to the file `MESSAGES` of the folder. The server starts this process, and it ends with it.
"""

import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import sleep

from local.cloud import Cloud
from local.drills.inbox import Message
from local.drills.simulation import ARMING_MINUTES, MINUTE, QUIET_MINUTES, Simulation

BEHIND = (QUIET_MINUTES + ARMING_MINUTES + 2) * MINUTE
"""How far behind real time the clock has to begin."""
MESSAGES = "messages.txt"

logger = logging.getLogger(__name__)


class Live(Simulation):
    """An environment in use in real time."""

    _caught_up = False

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        while datetime.now(UTC) - cloud.now() >= MINUTE:
            self.minute()
        cloud.advance(max(datetime.now(UTC) - cloud.now(), timedelta()))
        self._caught_up = True

    def _wait(self, time: timedelta) -> None:
        if self._caught_up:
            sleep(time.total_seconds())
        else:
            super()._wait(time)

    def _run(self, function: str) -> None:
        if not self._caught_up:
            super()._run(function)


def written(messages: Iterable[Message], at: datetime) -> str:
    """Messages as the file has them."""
    return "".join(
        f"{at:%Y-%m-%d %H:%M} UTC  on {message.topic}{', and a phone rings' if message.calls else ''}\n"
        f"{message.subject}\n\n" + "".join(f"    {line}\n" for line in message.text.splitlines()) + "\n"
        for message in messages
    )


def main(folder: Path) -> None:
    """Until the process ends. A minute that fails is logged, and the next one comes."""
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    live = None
    while cloud := Cloud.found(folder):
        try:
            live = live or Live(cloud)
            live.minute()
            with (folder / MESSAGES).open("a", encoding="utf-8") as file:
                file.write(written(live.inbox.new(), cloud.now()))
        except Exception:  # one that fails must not be the last
            logger.exception("A minute failed.")
            sleep(MINUTE.total_seconds())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
