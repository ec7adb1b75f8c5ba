"""SNS: which subscriber gets which message.

Replaced in ministack 1.5.33 (`services.sns`), which itself picks each protocol's message and checks a queue's policy:
- `publish_internal`: called through; a message for each protocol without a default is refused, as SNS does
  (https://docs.aws.amazon.com/sns/latest/api/API_Publish.html);
- `_deliver_to_lambda`: invokes asynchronously, with retries, and only when the function's resource policy allows the topic; the
  event is the documented one (https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html);
- the threads of `_fanout`: they only begin invocations, so this happens at once. Who waits for functions after a message then
  waits for those that it invoked;
- `_send_subscription_confirmation`: nothing is sent over HTTP or HTTPS, and such subscriptions stay pending. An endpoint may be
  a secret, so it is not logged;
- `_get_subscription_attributes`: called through; a subscription made by CloudFormation has `PendingConfirmation` as well.
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

    def checked(topic: str, message: Any, subject: str = "", *, message_structure: str = "", **others: Any) -> Any:
        if message_structure == "json":
            _refuse_without_default(message)
        return publish(topic, message, subject, message_structure=message_structure, **others)

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
    notification = {key.replace("URL", "Url"): value for key, value in message.items()}  # spelled differently for a queue
    record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription, "Sns": notification}
    error = invoke_for("sns.amazonaws.com", topic, function, {"Records": [record]})
    if error:
        logger.warning("%s: %s", topic, error)


async def _send_nothing(*_: Any) -> None:
    """In place of a request to an endpoint."""
