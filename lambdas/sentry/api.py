"""Sentry's count of errors: https://docs.sentry.io/api/explore/query-explore-events-in-table-format/"""

import json
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from lambdas.sentry.settings import SentrySettings

TIMEOUT_SECONDS = 8.0
_MOST = 1_000_000  # bytes read of an answer, which is a few hundred


class UnreadableError(Exception):
    """The count could not be read; the message says why, and what to do."""


class RefusedError(UnreadableError):
    """Sentry refuses the token."""


class _StayHere(HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def count(settings: SentrySettings, token: str, start: datetime, end: datetime, seconds: float = TIMEOUT_SECONDS) -> int:
    """The project's errors in [start, end), UTC. UnreadableError for whatever is no count; never a zero that is not one."""
    query = {
        "dataset": "errors",
        "field": "count()",
        "project": "-1",  # takes ids only: all that the token sees, of which the query picks one by its name
        "query": f"project:{settings.project}",
        "start": f"{start:%Y-%m-%dT%H:%M:%S}",
        "end": f"{end:%Y-%m-%dT%H:%M:%S}",
    }
    url = f"{settings.url}/api/0/organizations/{settings.organization}/events/?{urlencode(query)}"
    request = Request(url, headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - the settings only take https
    try:
        with build_opener(_StayHere).open(request, timeout=seconds) as answer:
            body = answer.read(_MOST)
    except HTTPError as error:
        with error:
            raise _refusal(settings, error) from None
    except (OSError, HTTPException) as error:  # refused, timed out, no such name, no trust, no HTTP
        why = getattr(error, "reason", None) or error or type(error).__name__
        raise UnreadableError(f"Sentry does not answer: {why}") from None
    try:
        (row,) = json.loads(body)["data"]
        counted = row["count()"]
    except (ValueError, LookupError, TypeError):
        raise UnreadableError("Sentry's answer is not the table of one count that its API documents") from None
    if isinstance(counted, bool) or not isinstance(counted, int | float) or counted < 0 or counted != int(counted):
        raise UnreadableError("Sentry's answer has something else than a count in it")
    return int(counted)


def _refusal(settings: SentrySettings, error: HTTPError) -> UnreadableError:
    match error.code:
        case 401 | 403:
            fix = f"put one with the scope org:read into the secret {settings.token_secret}"
            return RefusedError(f"Sentry refuses the token ({error.code}): {fix}")
        case 404:
            return UnreadableError(f"Sentry has no organization {settings.organization} (404): see [sentry] in the config")
        case 429:
            wait = error.headers.get("Retry-After", "some")
            return UnreadableError(f"Sentry limits the rate (429), and asks to wait {wait} s: the next minute tries again")
        case code:
            return UnreadableError(f"Sentry answers {code}")
