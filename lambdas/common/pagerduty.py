"""What PagerDuty's CloudWatch integration reads: the message of an alarm, which opens or resolves one incident by its name.

The subject has to begin with the state and a colon, or it is discarded. PagerDuty does not document the message; it takes any
other members: https://www.pagerduty.com/docs/guides/aws-cloudwatch-integration-guide/
"""

import json
from typing import Literal


def message(name: str, state: Literal["ALARM", "OK"], at: str, title: str, words: str) -> str:
    """The message for `https` subscriptions: `at` is since when, in ISO 8601; `title` is one line, `words` is everything."""
    return json.dumps(
        {
            "AlarmName": name,
            "NewStateValue": state,
            "OldStateValue": "OK" if state == "ALARM" else "ALARM",
            "StateChangeTime": at,
            "AlarmDescription": title,
            "NewStateReason": words,
        }
    )
