"""Door to Starlette: the review page's addresses, each guarded, each a page or a way back to one.

Belongs here: sign-in, forms, what a request may do. Does not belong here: the queue and decisions
(`desk.py`), markup (the templates), the guards' arithmetic (`guards.py`).

Every text comes out of a trace or of another reviewer, and is escaped by the engine; script and style are two
files of ours, and the answer's Content-Security-Policy admits nothing else.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from tasks.report import markup
from tasks.review.journal import Decision
from tasks.review.review_sheets import MAX_COMMENT
from tasks.review_page import guards
from tasks.review_page.desk import Desk, now
from tasks.tables import VERDICTS

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

COOKIE = "claimledger_review"
"""With the port, for cookies are the same on all ports of a machine."""
_STATIC = {"review.css": "text/css", "review.js": "text/javascript", "icon.svg": "image/svg+xml"}
SIGNED_OUT = (
    "You are not signed in. Open the address that `claimledger review serve` printed; each start "
    "prints a new one."
)


class RefusedError(Exception):
    """A request that gets a sentence and a status instead of what it asked for."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


@dataclass(frozen=True)
class Reviewers:
    """Who may sign in: names by the digest of their token, which nobody else keeps."""

    names: dict[str, str] = field(default_factory=dict)
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def admit(self, name: str) -> str:
        """A new token for a reviewer."""
        token = secrets.token_urlsafe(32)
        self.names[_digest(token)] = name
        return token

    def name(self, token: str | None) -> str | None:
        """Whose token it is."""
        return self.names.get(_digest(token)) if token else None


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class _Guest:
    """Who asks, with the token that says so."""

    name: str
    token: str


def application(desk: Desk, reviewers: Reviewers, port: int) -> Starlette:
    """The application for a server on a port of this machine."""
    from starlette.applications import Starlette
    from starlette.routing import Route

    page = _Page(desk, reviewers, port)
    routes = [
        Route("/sign-in", page.sign_in),
        Route("/", page.next_item),
        Route("/item/{verdict_id}", page.one_item),
        Route("/queue", page.queue),
        Route("/status", page.status),
        Route("/decide", page.decide, methods=["POST"]),
        Route("/skip", page.skip, methods=["POST"]),
        Route("/undo", page.undo, methods=["POST"]),
        Route("/static/{name}", page.static),
    ]
    return Starlette(
        routes=[Route(r.path, page.guarded(r.endpoint), methods=r.methods) for r in routes],
        exception_handlers={404: page.no_such_page, 405: page.no_such_page},
    )


class _Page:
    """The addresses of one server."""

    def __init__(self, desk: Desk, reviewers: Reviewers, port: int) -> None:
        self.desk, self.reviewers, self.port = desk, reviewers, port
        self.cookie = f"{COOKIE}_{port}"

    # Guards -------------------------------------------------------------------------------------------

    def guarded(
        self, endpoint: Callable[[Request, Mapping[str, str]], Response]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint behind the checks that every request has to pass, in a thread of its own."""
        from starlette.concurrency import run_in_threadpool

        async def answer(request: Request) -> Response:
            try:
                host = request.headers.get("host")
                if host is None or not guards.is_own_host(host, self.port):
                    raise RefusedError(
                        421, "This address is not the one that `claimledger review serve` printed."
                    )
                form: dict[str, str] = {}
                if request.method == "POST":
                    if not guards.is_own_origin(request.headers.get("origin"), host):
                        raise RefusedError(403, "This form comes from another site; nothing was recorded.")
                    form = await self._form(request)
                response = await run_in_threadpool(endpoint, request, form)
            except RefusedError as refused:
                response = self._sentence(refused.status, refused.sentence)
            response.headers.update(guards.HEADERS)
            return response

        return answer

    async def _form(self, request: Request) -> dict[str, str]:
        """The fields of a form, of bounded length."""
        limit, data = self.desk.parameters.form_bytes, b""
        async for portion in request.stream():
            data += portion
            if len(data) > limit:
                raise RefusedError(413, f"This form is longer than {limit >> 10} KiB; shorten the comment.")
        try:
            return dict(parse_qsl(data.decode(), keep_blank_values=True, errors="strict", max_num_fields=20))
        except (UnicodeDecodeError, ValueError):
            raise RefusedError(400, "This form is not from this page.") from None

    def _guest(self, request: Request) -> _Guest:
        token = request.cookies.get(self.cookie)
        name = self.reviewers.name(token)
        if name is None or token is None:
            raise RefusedError(401, SIGNED_OUT)
        return _Guest(name, token)

    def _sender(self, request: Request, form: Mapping[str, str]) -> _Guest:
        """Who sent a form that this server made for them."""
        guest = self._guest(request)
        number, code = form.get("form", ""), form.get("code", "")
        if not number or not guards.is_form_code(self.reviewers.key, guest.token, number, code):
            raise RefusedError(403, "This form is not one that this server gave you; open the page again.")
        return guest

    # Pages --------------------------------------------------------------------------------------------

    def sign_in(self, request: Request, _: Mapping[str, str]) -> Response:
        """Takes the token out of the address into a cookie that no script can read."""
        token = request.query_params.get("token")
        if self.reviewers.name(token) is None or token is None:
            raise RefusedError(401, SIGNED_OUT)
        response = _back("/")
        response.set_cookie(self.cookie, token, httponly=True, samesite="strict", path="/")
        return response

    def next_item(self, request: Request, _: Mapping[str, str]) -> Response:
        """The verdict that this reviewer should look at now."""
        guest = self._guest(request)
        verdict_id = self.desk.next_for(guest.name)
        if verdict_id is None:
            return self._render("nothing.html.j2", guest, request, title="Nothing waits")
        return self._item(request, guest, verdict_id)

    def one_item(self, request: Request, _: Mapping[str, str]) -> Response:
        """A verdict of the list."""
        guest, verdict_id = self._guest(request), request.path_params["verdict_id"]
        if self.desk.item(verdict_id) is None:
            raise RefusedError(
                404, "This verdict is not waiting for review: it was decided, or does not exist."
            )
        if not self.desk.take(verdict_id, guest.name):
            raise RefusedError(409, "Somebody else is reviewing this verdict, or it was decided.")
        return self._item(request, guest, verdict_id)

    def _item(self, request: Request, guest: _Guest, verdict_id: str) -> Response:
        item = self.desk.item(verdict_id)
        if item is None:
            raise RefusedError(404, "The texts of this verdict are not in the lake.")
        others = self.desk.opinions(verdict_id, guest.name)
        return self._render("item.html.j2", guest, request, title="Review", item=item, others=others)

    def queue(self, request: Request, _: Mapping[str, str]) -> Response:
        """The list of what waits."""
        guest = self._guest(request)
        return self._render("queue.html.j2", guest, request, title="Queue", rows=self.desk.listed(guest.name))

    def status(self, request: Request, _: Mapping[str, str]) -> Response:
        """Ages, breaches, and how far people agree."""
        guest, desk = self._guest(request), self.desk
        return self._render(
            "status.html.j2",
            guest,
            request,
            title="Status",
            levels=desk.levels(),
            agreement=desk.agreement(),
            days=desk.parameters.days,
        )

    def static(self, request: Request, _: Mapping[str, str]) -> Response:
        """Our own style, script and icon; the style is the reports', and some more."""
        from starlette.responses import Response

        name = request.path_params["name"]
        if name not in _STATIC:
            raise RefusedError(404, "There is no such page.")
        text = (files("tasks.review_page") / "static" / name).read_text("utf-8")
        if name == "review.css":
            text = (files("tasks.report") / "templates" / "report.css").read_text("utf-8") + text
        return Response(text, media_type=_STATIC[name])

    # Forms --------------------------------------------------------------------------------------------

    def decide(self, request: Request, form: Mapping[str, str]) -> Response:
        """Records what the reviewer says of a verdict; the same form is taken once."""
        guest = self._sender(request, form)
        verdict_id, said = form.get("verdict_id", ""), form.get("decision", "")
        comment = form.get("comment", "").strip().replace("\r\n", "\n")
        if said not in (*VERDICTS, "wrong", "unsure"):
            raise RefusedError(400, f"This page has no decision {said[:40]!r}.")
        if len(comment) > MAX_COMMENT:
            raise RefusedError(400, f"The comment has more than {MAX_COMMENT:,} characters; shorten it.")
        if self.desk.journal.state(form["form"]) is not None:
            return _back(f"/?done={form['form']}")
        verdict = self.desk.verdict(verdict_id)
        if verdict is None:
            raise RefusedError(404, "The lake has no such verdict.")
        outcome = "unsure" if said == "unsure" else "confirmed" if said == verdict else "overturned"
        corrected = said if outcome == "overturned" and said != "wrong" else ""
        self.desk.decide(Decision(form["form"], verdict_id, guest.name, outcome, corrected, comment, now()))
        return _back(f"/?done={form['form']}")

    def skip(self, request: Request, form: Mapping[str, str]) -> Response:
        """Puts a verdict behind all others."""
        guest = self._sender(request, form)
        self.desk.skip(form.get("verdict_id", ""), guest.name)
        return _back("/")

    def undo(self, request: Request, form: Mapping[str, str]) -> Response:
        """Takes the reviewer's last decision back, by another one that the ledger keeps beside it."""
        guest = self._sender(request, form)
        last = self.desk.last(guest.name)
        if self.desk.journal.state(form["form"]) is None and last is not None:
            self.desk.decide(Decision(form["form"], last.verdict_id, guest.name, "withdrawn", "", "", now()))
            if self.desk.item(last.verdict_id) is not None and self.desk.take(last.verdict_id, guest.name):
                return _back(f"/item/{last.verdict_id}?done={form['form']}")
        return _back(f"/?done={form['form']}")

    # Answers ------------------------------------------------------------------------------------------

    def _render(self, template: str, guest: _Guest, request: Request, **facts: Any) -> Response:
        from starlette.responses import HTMLResponse

        done = request.query_params.get("done")
        numbers = [secrets.token_urlsafe(18) for _ in range(3)]
        forms = [(n, guards.form_code(self.reviewers.key, guest.token, n)) for n in numbers]
        common = {
            "guest": guest.name,
            "waiting": self.desk.waiting_count(guest.name),
            "done_count": self.desk.done_count(guest.name),
            "last": self.desk.last(guest.name),
            "state": self.desk.journal.state(done) if done else None,
            "blocked": self.desk.blocked,
            "forms": forms,
            "max_comment": MAX_COMMENT,
        }
        drawn = markup.environment("tasks.review_page").get_template(template)
        return HTMLResponse(drawn.render({**common, **facts}))

    def _sentence(self, status: int, sentence: str) -> Response:
        from starlette.responses import HTMLResponse

        drawn = markup.environment("tasks.review_page").get_template("sentence.html.j2")
        return HTMLResponse(drawn.render(title="Not done", sentence=sentence), status_code=status)

    async def no_such_page(self, _: Request, __: Exception) -> Response:
        """What is not an address of this server."""
        response = self._sentence(404, "There is no such page.")
        response.headers.update(guards.HEADERS)
        return response


def _back(address: str) -> Response:
    from starlette.responses import RedirectResponse

    return RedirectResponse(address, status_code=303)
