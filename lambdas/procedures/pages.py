"""Which files of the site a page names, and which files those name: as the browser will ask for them."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

_RELATIONS = {"stylesheet", "modulepreload", "preload", "prefetch", "icon", "apple-touch-icon", "mask-icon", "manifest"}
"""The `rel` of a link whose file the browser fetches."""

# What a bundler writes: `name-hash.ext`, in quotes or in url(). A capital or a digit in the hash tells it from what people
# write, such as `./full-calendar.js`. https://rollupjs.org/configuration-options/#output-assetfilenames
_GENERATED = re.compile(
    r"""["'`(]((?:/|\./|\.\./|assets/)[\w./-]*-(?=[a-z_-]{0,7}[A-Z0-9])[\w-]{8}\.[a-z][a-z0-9]{1,4})["'`)]""", re.ASCII
)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.base = "/"
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "base":
            self.base = found.get("href", "")
        elif tag == "link":
            if _RELATIONS & set(found.get("rel", "").lower().split()):
                self.addresses.append(found.get("href", ""))
        elif tag != "iframe":
            self.addresses.append(found.get("src", ""))


def named_by_page(html: str, host: str) -> list[str]:
    """The keys of the files that a page at `/` of this host names, each once, in order."""
    page = _Page()
    page.feed(html)
    return list(dict.fromkeys(filter(None, (_key(address, page.base, host) for address in page.addresses))))


def named_by_file(text: str, key: str) -> Iterator[tuple[str, ...]]:
    """What a script or a style sheet names of what a bundler makes: for each file the keys that may be meant, of which one
    should be there. A path without a dot or a slash before it counts from the site's root or from the file."""
    for address in dict.fromkeys(_GENERATED.findall(text)):
        yield tuple(dict.fromkeys(urljoin(base, address).lstrip("/") for base in (f"/{key}", "/")))


def _key(address: str, base: str, host: str) -> str:
    """The key of an address; empty for another host, for data, for a path that is routed to index.html, and for no address."""
    try:
        parts = urlsplit(urljoin(urljoin(f"https://{host}/", base), address.strip()))
    except ValueError:
        return ""
    path = unquote(parts.path).lstrip("/")
    return path if parts.netloc == host and "." in path.rpartition("/")[2] else ""
