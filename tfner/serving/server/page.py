"""Give the page to try a model in a browser: one file, which fetches nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse

PAGE = Path(__file__).with_name("page.html")
INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)
REFUSED = "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Page:
    """Hold the page of one model."""

    def __init__(self, model: str):
        source = PAGE.read_text(encoding="utf-8")
        self._content = source.replace("MODEL_NAME", html.escape(model))
        self._headers = {
            "Content-Security-Policy": content_policy(source),
            "Cache-Control": "no-cache",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    async def respond(self, request: Request) -> HTMLResponse:
        """Answer any request with the page."""
        return HTMLResponse(self._content, headers=self._headers)


def content_policy(source: str) -> str:
    """Make a policy under which the browser runs this page's own script and style.

    It lets the page talk to this server, and refuses all else.
    """
    own = []
    for kind, text in INLINE.findall(source):
        digest = hashlib.sha256(text.encode()).digest()
        encoded = base64.b64encode(digest).decode()
        own.append(f"{kind}-src 'sha256-{encoded}'")
    return "; ".join(["default-src 'none'", *own, "connect-src 'self'", REFUSED])
