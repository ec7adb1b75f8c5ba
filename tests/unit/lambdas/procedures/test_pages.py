"""What a page and its files name."""

import pytest

from lambdas.procedures.pages import named_by_file, named_by_page

HOST = "app.example.com"


@pytest.mark.parametrize(
    ("html", "named"),
    [
        ('<script type="module" crossorigin src="/assets/index-B1Zc0d3f.js"></script>', ["assets/index-B1Zc0d3f.js"]),
        ('<link rel="stylesheet" href="assets/a.css">', ["assets/a.css"]),
        ('<LINK REL="shortcut icon" HREF="/favicon.ico?v=2">', ["favicon.ico"]),
        ('<link rel="modulepreload" href="./assets/a.js"><script src="/assets/a.js"></script>', ["assets/a.js"]),
        ('<img src="/images/a%20b.png">', ["images/a b.png"]),
        (f'<script src="https://{HOST}/a.js"></script>', ["a.js"]),
        (f'<script src="//{HOST}/a.js"></script>', ["a.js"]),
        ('<base href="/next/"><script src="a.js"></script>', ["next/a.js"]),
    ],
)
def test_a_page_names_what_its_browser_loads_from_the_site(html: str, named: list[str]) -> None:
    assert named_by_page(html, HOST) == named


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://js.stripe.com/v3/a.js"></script>',
        '<link rel="preconnect" href="https://fonts.example.com">',
        '<link rel="canonical" href="/about.html">',
        '<img src="data:image/svg+xml,a.svg">',
        '<a href="/terms.html">terms</a>',
        '<iframe src="/other.html"></iframe>',
        '<img src="/api/v1/map">',
        "<script>import('/assets/a.js')</script>",
        '<script src="http://[broken/a.js"></script>',
        '<script src=""></script>',
        "",
        "<",
    ],
)
def test_a_page_names_no_other_hosts_data_routes_or_links(html: str) -> None:
    assert named_by_page(html, HOST) == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('import("./map-D3adB33f.js")', "assets/map-D3adB33f.js"),
        ('const m=["assets/map-D3adB33f.js"]', "assets/map-D3adB33f.js"),
        ("x='/assets/pin-Ab_-1xyz.svg'", "assets/pin-Ab_-1xyz.svg"),
        ("a{background:url(/assets/back-12345678.webp)}", "assets/back-12345678.webp"),
        ("a{src:url(../fonts/inter-ABCDEFGH.woff2)}", "fonts/inter-ABCDEFGH.woff2"),
    ],
)
def test_a_file_names_what_a_bundler_wrote_into_it(text: str, meant: str) -> None:
    (keys,) = named_by_file(text, "assets/index-B1Zc0d3f.js")
    assert meant in keys


@pytest.mark.parametrize("text", ['import("./full-calendar.js")', '"moment-with-locales.js"', '"./a.js"', "map-D3adB33f.js"])
def test_what_people_write_into_a_file_is_not_taken_for_a_bundlers_name(text: str) -> None:
    assert list(named_by_file(text, "assets/index-B1Zc0d3f.js")) == []
