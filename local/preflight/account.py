"""The user's account, read only: each question is one API operation, and what cannot be asked is not known."""

import re
from collections.abc import Collection
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_PREFIXES = {"monitoring": "cloudwatch"}
"""The services whose actions IAM calls otherwise than their requests are signed."""
_ACTIONS = {"s3:HeadBucket": "s3:ListBucket", "lambda:GetLayerVersionByArn": "lambda:GetLayerVersion"}
"""The operations that IAM calls otherwise: https://docs.aws.amazon.com/service-authorization/latest/reference/"""
_DENIED = re.compile("Denied|Unauthorized|NotAuthorized|AuthorizationError|^403$")
_BAD_CREDENTIALS = re.compile("ExpiredToken|InvalidClientTokenId|UnrecognizedClient|AuthFailure|SignatureDoesNotMatch")
_THROTTLED = re.compile("Throttl|TooManyRequests|RequestLimitExceeded")
_SETTINGS = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})


class NotKnown(Exception):  # noqa: N818 - an answer, not an error
    """A question without an answer: what would have to be different to get one."""

    def __init__(self, why: str, code: str = "") -> None:
        super().__init__(why)
        self.code = code


class Account:
    """An account through a session's credentials. `asked` has the IAM actions of all that was asked so far."""

    def __init__(self, session: boto3.Session, region: str) -> None:
        self.session = session
        self.region = region
        self.asked: set[str] = set()
        self._client = cache(self._new_client)

    def ask(
        self,
        service: str,
        operation: str,
        *,
        absent: Collection[str] = (),
        region: str = "",
        pages: bool = True,
        **parameters: Any,
    ) -> Any:
        """What an operation answers, all pages of it; {} where it fails with a code of `absent`.

        Operation and service are named as in boto3. NotKnown says which permission is missing, or what else went wrong.
        """
        region = region or self.region
        try:
            client = self._client(service, region)
            action = self._action(client, operation)
            self.asked.add(action)
            if pages and client.can_paginate(operation):
                return client.get_paginator(operation).paginate(**parameters).build_full_result()
            return getattr(client, operation)(**parameters)
        except ClientError as error:
            code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
            if code in absent:
                return {}
            if _DENIED.search(code):
                raise NotKnown(f"your credentials need {action}", code) from None
            if _BAD_CREDENTIALS.search(code):
                raise NotKnown(f"{region} does not accept your credentials ({code}): renew them", code) from None
            if _THROTTLED.search(code):
                raise NotKnown(f"AWS limits how often {action} is answered: run this again in a minute", code) from None
            raise NotKnown(f"{action} was answered with {code} {message}".rstrip(), code) from None
        except BotoCoreError as error:
            raise NotKnown(f"{service} in {region} could not be asked: {' '.join(str(error).split())}") from None

    def _new_client(self, service: str, region: str) -> Any:
        return self.session.client(service, region_name=region, config=_SETTINGS)  # type: ignore[call-overload]

    @staticmethod
    def _action(client: Any, operation: str) -> str:
        """The IAM action of an operation."""
        signed = client.meta.service_model.signing_name
        action = f"{_PREFIXES.get(signed, signed)}:{client.meta.method_to_api_mapping[operation]}"
        return _ACTIONS.get(action, action)
