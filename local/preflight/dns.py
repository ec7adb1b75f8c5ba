"""What DNS answers on the internet, asked over HTTPS: Python's own resolver knows addresses only."""

import json
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from local.preflight.account import NotKnown

RESOLVER = "https://dns.google/resolve"
"""A resolver that answers in JSON, as Cloudflare's does too: https://developers.google.com/speed/public-dns/docs/doh/json"""

_TYPES = {"NS": 2, "CAA": 257}


def lookup(resolver: str, name: str, kind: str) -> list[str]:
    """The data of a name's records of a type, none when there are none; NotKnown when the resolver cannot be reached."""
    url = f"{resolver}?{urlencode({'name': name, 'type': kind})}"
    try:
        with urlopen(Request(url, headers={"Accept": "application/dns-json"}), timeout=10) as response:  # noqa: S310 - the user's own URL
            answer: dict[str, Any] = json.load(response)
    except (OSError, ValueError) as error:
        raise NotKnown(f"{resolver} did not answer ({error}): name another DNS-over-HTTPS resolver with --resolver") from None
    return [record["data"] for record in answer.get("Answer", ()) if record["type"] == _TYPES[kind]]
