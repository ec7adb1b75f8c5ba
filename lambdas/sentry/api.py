"""Sentry's count of errors: https://docs.sentry.io/api/explore/query-explore-events-in-table-format/"""

import json
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode

from lambdas.common.https import Answer, NoAnswerError, get
from lambdas.common.words import one_line
from lambdas.sentry.settings import SentrySettings

TIMEOUT_SECONDS = 8.0
_MOST = 10**12  # errors in a minute: more is nonsense


class UnreadableError(Exception):
    """The count could not be read; the message says why, and what to do."""


class RefusedError(UnreadableError):
    """Sentry refuses the token."""


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
    try:
        answer = get(url, {"Authorization": f"Bearer {token}"}, seconds, redirects=False)  # one would carry the token away
    except NoAnswerError as error:
        raise UnreadableError(f"Sentry does not answer: {error}") from None
    if answer.status != HTTPStatus.OK:
        raise _refusal(settings, answer)
    try:
        (row,) = json.loads(answer.body)["data"]
        counted = row["count()"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise UnreadableError("Sentry's answer is not the table of one count that its API documents") from None
    if isinstance(counted, bool) or not isinstance(counted, int | float) or not 0 <= counted <= _MOST or counted % 1:
        raise UnreadableError("Sentry's answer has something else than a count in it")
    return int(counted)


def _refusal(settings: SentrySettings, answer: Answer) -> UnreadableError:
    match answer.status:
        case 401 | 403:
            fix = f"put one with the scope org:read into the secret {settings.token_secret}"
            return RefusedError(f"Sentry refuses the token ({answer.status}): {fix}")
        case 404:
            return UnreadableError(f"Sentry has no organization {settings.organization} (404): see [sentry] in the config")
        case 429:
            wait = one_line(answer.retry_after, 20) or "some"
            return UnreadableError(f"Sentry limits the rate (429), and asks to wait {wait} s: the next minute tries again")
        case code:
            return UnreadableError(f"Sentry answers {code}")
