"""The incident's page of the local cloud in a browser: the deployed function draws it, and its buttons start the procedures.

It stands for two things of AWS's console: the dashboard's custom widget, and Systems Manager's form of a document. Whoever runs
it is an operator, with the permissions that docs/procedures.md names. It listens on loopback alone, and takes no order from a
page of another origin.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.incident_page.markup import Html, joined, tag
from local.drills.operator import Execution, Operator
from procedures.catalog import procedure
from procedures.documents import inputs
from procedures.model import Input, Procedure

FORMS = "/systems-manager/automation/execute/"
EXECUTIONS = "/systems-manager/automation/execution/"
_MOST_BYTES = 100_000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_STYLE = """
body{margin:0;font:14px/1.5 Helvetica,Arial,sans-serif;color:#16191f;background:#fff}
body.dark{color:#e9ebed;background:#161d26}
nav{padding:8px 16px;background:#232f3e;color:#fff}
nav a{color:#fff;margin-left:14px}
main{padding:16px;max-width:1440px}
h2{margin:0}
label{display:block;margin:12px 0 2px;font-weight:bold}
input,select{font:inherit;padding:4px 8px;width:min(560px,100%)}
button{display:block;font:inherit;font-weight:bold;padding:6px 18px;margin-top:16px}
small{color:#687078}
pre{white-space:pre-wrap}
"""


class Console:
    """The pages, as an operator sees them."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._environment = operator.cloud.environment

    def incident(self, theme: str) -> Html:
        """What the deployed function shows, its links to forms leading here."""
        event = json.dumps({"widgetContext": {"dashboardName": self._environment.dashboard, "theme": theme}})
        name = self._environment.function("incident-page")
        answer = self._operator.client("lambda").invoke(FunctionName=name, Payload=event)
        shown = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            return self._whole(tag("pre", json.dumps(shown, indent=1)), every=10, theme=theme)
        forms = re.escape(self._environment.console(FORMS.removeprefix("/")))
        here = re.sub(rf'href="{forms}([^"#]*)#', rf'href="{FORMS}\1&amp;', str(shown))
        return self._whole(Html(here), every=10, theme=theme)

    def form(self, document: str, given: Mapping[str, str]) -> Html:
        """The form of a document, its inputs filled in; KeyError for one that is no procedure."""
        one = self._procedure(document)
        fields = (part for field in inputs(one) for part in _field(field, given.get(field.name, field.default or "")))
        execute = tag("button", "Execute", type="submit")
        return self._whole(tag("h2", document), tag("p", one.effect), tag("form", *fields, execute, method="post"))

    def start(self, document: str, given: Mapping[str, str]) -> str:
        """Where the execution of a document is shown, once it is started; raises what AWS raises."""
        names = {field.name for field in inputs(self._procedure(document))}
        parameters = {name: [value] for name, value in given.items() if name in names}
        answer = self._operator.ssm.start_automation_execution(DocumentName=document, Parameters=parameters)
        return f"{EXECUTIONS}{answer['AutomationExecutionId']}"

    def execution(self, identifier: str) -> Html:
        """How an execution stands, and what its steps said; raises what AWS raises."""
        found = self._operator.look(identifier)
        steps = [tag("li", tag("b", f"{name}: "), said) for name, said in found.steps.items()]
        head = tag("h2", f"{found.shown['DocumentName']}: {found.status}")
        return self._whole(head, tag("ul", *steps), *_after(found), every=0 if found.over else 2)

    def _procedure(self, document: str) -> Procedure:
        return procedure(document.removeprefix(self._environment.document("")))

    def _whole(self, *inside: str, every: int = 0, theme: str = "light") -> Html:
        """A page, which is loaded again every so many seconds."""
        title = f"{self._environment.name} on the local cloud, as {self._operator.name}"
        links = (tag("a", "Incident", href="/"), tag("a", "Dark", href="/?theme=dark"))
        refresh = tag("meta", http_equiv="refresh", content=str(every)) if every else ""
        head = tag("head", tag("meta", charset="utf-8"), refresh, tag("title", title), tag("style", Html(_STYLE)))
        body = tag("body", tag("nav", title, *links), tag("main", *inside), class_=theme)
        return joined(Html("<!doctype html>"), tag("html", head, body, lang="en"))


def _field(field: Input, value: str) -> Iterator[Html]:
    yield tag("label", field.name, for_=field.name)
    if field.name == "DryRun":
        others = [one for one in ("true", "false") if one != value]
        yield tag("select", *(tag("option", one) for one in (value, *others)), id=field.name, name=field.name)
    else:
        yield tag("input", id=field.name, name=field.name, value=value, pattern=field.pattern)
    yield tag("small", f" {field.what}")


def _after(found: Execution) -> Iterator[Html]:
    """After a dry run, the way to the same without one."""
    given = {name: values[0] for name, values in found.shown["Parameters"].items()}
    if found.status == "Success" and given.get("DryRun") == "true":
        again = urlencode(given | {"DryRun": "false"})
        yield tag("p", "It was a dry run. ", tag("a", "Do it", href=f"{FORMS}{found.shown['DocumentName']}?{again}"))


class Server(ThreadingHTTPServer):
    """A server of the pages on loopback, on a port that the system chooses."""

    daemon_threads = True

    def __init__(self, operator: Operator) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.console = Console(operator)
        self.hosts = tuple(f"{host}:{self.server_port}" for host in ("localhost", "127.0.0.1"))


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        address, console = urlsplit(self.path), self.server.console
        given = dict(parse_qsl(address.query))
        if not self._is_ours():
            self._refuse(HTTPStatus.FORBIDDEN, "This page is for this machine.")
        elif address.path == "/":
            self._answer(lambda: console.incident("dark" if given.get("theme") == "dark" else "light"))
        elif address.path.startswith(FORMS):
            self._answer(lambda: console.form(address.path.removeprefix(FORMS), given))
        elif address.path.startswith(EXECUTIONS):
            self._answer(lambda: console.execution(address.path.removeprefix(EXECUTIONS)))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such page.")

    def do_POST(self) -> None:
        address, length = urlsplit(self.path), self.headers.get("Content-Length", "")
        if not self._is_ours() or self.headers.get("Origin") not in {f"http://{host}" for host in self.server.hosts}:
            self._refuse(HTTPStatus.FORBIDDEN, "An order has to come from a page of this server.")
        elif not address.path.startswith(FORMS) or not length.isdecimal() or int(length) > _MOST_BYTES:
            self._refuse(HTTPStatus.BAD_REQUEST, "This is no form of a procedure.")
        else:
            given = dict(parse_qsl(self.rfile.read(int(length)).decode(errors="replace")))
            self._answer(lambda: self.server.console.start(address.path.removeprefix(FORMS), given))

    def _is_ours(self) -> bool:
        """Whether the browser asked for this server by a name of this machine, and not by one that only leads here."""
        return self.headers.get("Host") in self.server.hosts

    def _answer(self, ask: Callable[[], str]) -> None:
        """What is asked for: a page, or where to go on."""
        try:
            found = ask()
        except KeyError:
            self._refuse(HTTPStatus.NOT_FOUND, "There is no such procedure.")
        except (ClientError, BotoCoreError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            if isinstance(found, Html):
                self._send(HTTPStatus.OK, found)
            else:
                self._send(HTTPStatus.SEE_OTHER, "", Location=found)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._send(status, tag("p", why))

    def _send(self, status: HTTPStatus, page: str, **headers: str) -> None:
        body = page.encode()
        fixed = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        self.send_response(status)
        for name, value in {**fixed, "Content-Security-Policy": _POLICY, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: the page is loaded again and again."""
