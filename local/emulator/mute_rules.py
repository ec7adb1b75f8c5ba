"""Alarm mute rules with one window, which ministack 1.5.33 does not have.

`ministack.services.cloudwatch.handle_request` is replaced: called through for all but the operations here. While a rule is
active, the alarms that it targets take no action; what they did not do is not made up for when it ends.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutAlarmMuteRule.html
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch

from local.emulator.clock import Clock

_DURATION = re.compile(r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?)?")
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=15)


class _InvalidError(ValueError):
    """What CloudWatch answers with ValidationError."""


@dataclass(frozen=True)
class _Rule:
    begin: datetime
    end: datetime
    alarms: tuple[str, ...]

    def status(self, now: datetime) -> str:
        return "SCHEDULED" if now < self.begin else "ACTIVE" if now < self.end else "EXPIRED"


class MuteRules:
    """The mute rules of the account, by name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rules: dict[str, _Rule] = {}

    def install(self) -> None:
        """Plug in."""
        self._handle = cloudwatch.handle_request
        cloudwatch.handle_request = self.handle_request

    def muted(self, alarm: str) -> bool:
        """Whether an active rule targets an alarm."""
        return any(alarm in rule.alarms and rule.status(self._clock.now()) == "ACTIVE" for rule in self._rules.values())

    async def handle_request(self, method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        operations = {
            "PutAlarmMuteRule": self._put,
            "ListAlarmMuteRules": self._list,
            "DeleteAlarmMuteRule": self._delete,
        }
        operation = operations.get(headers.get("x-amz-target", "").rpartition(".")[2])
        if operation is None:
            return await self._handle(method, path, headers, body, query)
        try:
            return cloudwatch._json_ok(operation(json.loads(body)))
        except _InvalidError as error:
            return cloudwatch._error("ValidationError", str(error), 400, use_json=True)

    def _put(self, request: Any) -> dict[str, Any]:
        schedule, alarms = request["Rule"]["Schedule"], tuple(request.get("MuteTargets", {}).get("AlarmNames", ()))
        at = re.fullmatch(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d)\)", schedule["Expression"])
        if not at or schedule.get("Timezone", "UTC") != "UTC":
            raise _InvalidError(f"{schedule} should be one window in UTC, at(yyyy-MM-ddThh:mm): the local cloud has no other")
        lasts = _DURATION.fullmatch(schedule["Duration"])
        duration = timedelta(**{unit: int(number or 0) for unit, number in lasts.groupdict().items()}) if lasts else timedelta()
        if not _SHORTEST <= duration <= _LONGEST:
            raise _InvalidError(f"The duration {schedule['Duration']} should be between PT1M and P15D")
        absent = [name for name in alarms if name not in cloudwatch._alarms and name not in cloudwatch._composite_alarms]
        if absent:
            raise _InvalidError(f"The alarms {', '.join(absent)} do not exist")
        begin = datetime.fromisoformat(at[1]).replace(tzinfo=UTC)
        self._rules[request["Name"]] = _Rule(begin, begin + duration, alarms)
        return {}

    def _list(self, request: Any) -> dict[str, Any]:
        now, alarm, statuses = self._clock.now(), request.get("AlarmName"), request.get("Statuses")
        return {
            "AlarmMuteRuleSummaries": [
                {
                    "AlarmMuteRuleArn": f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm-mute-rule:{name}",
                    "Status": rule.status(now),
                    "MuteType": "ONE_TIME",
                }
                for name, rule in self._rules.items()
                if (not alarm or alarm in rule.alarms) and (not statuses or rule.status(now) in statuses)
            ]
        }

    def _delete(self, request: Any) -> dict[str, Any]:
        self._rules.pop(request["AlarmMuteRuleName"], None)
        return {}
