"""SNS: who is told what.

Replaced in ministack 1.5.33 (`services.sns`), which picks each protocol's message and asks a queue's policy itself:
- `publish_internal`: called through; a message for each protocol without a default is refused, as SNS does
  (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html);
- `_deliver_to_lambda`: invokes asynchronously, with retries, and only when the function's resource policy admits the topic; the
  event is the documented one (https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html);
- the threads of `_fanout`: an invocation only begins there, so it does at once, and whoever waits for functions after a message
  waits for those that it invokes;
- `_send_subscription_confirmation`: nothing is sent over HTTP or HTTPS, and subscriptions for it stay pending. An endpoint may
  be a secret, and is not logged either;
- `_get_subscription_attributes`: called through; a subscription made by CloudFormation tells as well whether it is pending.
"""

import functools
import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ministack.services import sns

from local.emulator.functions import invoke_for

logger = logging.getLogger("local.notifications")


def install() -> None:
    """Plug in."""
    publish, attributes = sns.publish_internal, sns._get_subscription_attributes

    def checked(topic: str, message: Any, subject: str = "", *, message_structure: str = "", **settings: Any) -> Any:
        if message_structure == "json":
            _refuse_without_default(message)
        return publish(topic, message, subject, message_structure=message_structure, **settings)

    def completed(parameters: Any) -> Any:
        for topic in sns._topics.values():
            for subscription in topic["subscriptions"]:
                subscription["attributes"]["PendingConfirmation"] = str(not subscription["confirmed"]).lower()
        return attributes(parameters)

    sns.publish_internal, sns._get_subscription_attributes = checked, completed
    sns._deliver_to_lambda, sns._send_subscription_confirmation = _invoke, _send_nothing
    sns._threading = SimpleNamespace(Thread=_at_once)


def _refuse_without_default(message: str) -> None:
    try:
        texts = json.loads(message)
    except ValueError:
        texts = None
    if not isinstance(texts, dict):
        raise sns.SnsPublishError(
            "InvalidParameter", "Invalid parameter: Message Structure - JSON message body failed to parse"
        )
    if not isinstance(texts.get("default"), str):
        raise sns.SnsPublishError(
            "InvalidParameter", "Invalid parameter: Message Structure - No default entry in JSON message body"
        )


def _at_once(target: Callable[..., None], args: tuple[Any, ...], **_: Any) -> SimpleNamespace:
    """In place of a thread."""
    return SimpleNamespace(start=functools.partial(target, *args))


def _invoke(function: str, envelope: str, topic: str, subscription: str, *_: Any) -> None:
    message = {"Subject": None, "MessageAttributes": {}, **json.loads(envelope)}
    told = {key.replace("URL", "Url"): value for key, value in message.items()}  # the spelling differs from a queue's
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription, "Sns": told}
    error = invoke_for("sns.amazonaws.com", topic, function, {"Records": [record]})
    if error:
        logger.warning("%s: %s", topic, error)


async def _send_nothing(*_: Any) -> None:
    """In place of a request to an endpoint."""
