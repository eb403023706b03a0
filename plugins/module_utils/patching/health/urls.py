# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""URLs that have to answer, asked on the host itself and without a proxy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple

from .answer import Answer, ask, only, seconds_of

TIMEOUT = 10  # seconds
_LOOKED_THROUGH = 1 << 20  # bytes of an answer in which `contains` is looked for
_KEYS = ("url", "status", "contains", "validate_certs", "timeout")
_URL = re.compile(r"(https?)://([^\s/?#]+)([^\s?#]*)(\S*)", re.IGNORECASE)


@dataclass(frozen=True)
class Url:
    """A question by GET. `name` is the URL without its query, which may hold a token."""

    name: str
    url: str
    status: Tuple[int, ...] = (200,)
    contains: Optional[str] = None
    validate_certs: bool = True
    timeout: int = TIMEOUT


def parse(entry: Any) -> Url:
    """{"url", "status", "contains", "validate_certs", "timeout"}. ValueError."""
    given = {key: value for key, value in only(entry, _KEYS).items() if value is not None}
    text = str(given.get("url") or "")
    match = _URL.fullmatch(text)
    if not match or not text.isprintable():
        raise ValueError(f"needs a url that begins with http:// or https://, not {text.partition('?')[0]!r}")
    scheme, place, path, _query = match.groups()
    if "@" in place:
        raise ValueError("has a url with a user name in it, which would be written into evidence")
    if not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\[\]:]+)(:\d{1,5})?", place):
        raise ValueError(f"has a url whose host and port cannot be told: {place!r}")
    status = given.get("status", [200])
    if not isinstance(status, (list, tuple)):
        status = [status]
    codes = [code for code in status if isinstance(code, int) and not isinstance(code, bool) and 100 <= code <= 599]
    if not status or len(codes) != len(status):
        raise ValueError("has a status that is no list of HTTP status codes")
    if not isinstance(given.get("validate_certs", True), bool):
        raise ValueError("has a validate_certs that is neither true nor false")
    contains = str(given["contains"]) if "contains" in given else None
    name = f"{scheme.lower()}://{place}{path}"
    return Url(name, text, tuple(codes), contains, given.get("validate_certs", True), seconds_of(given, TIMEOUT))


def look(checks: Sequence[Url]) -> List[Answer]:
    """Asks them one after the other."""
    return [ask(lambda check=check: _answers(check), check.timeout) for check in checks]  # type: ignore[misc]


def _answers(check: Url) -> Tuple[bool, str]:
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    try:
        request = urllib.request.Request(_quoted(check.url), headers={"User-Agent": "upkeep"})
        try:
            reply: Any = _opener(check).open(request, timeout=check.timeout)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            code = reply.code
            body = reply.read(_LOOKED_THROUGH) if check.contains and code in check.status else b""
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, ssl.SSLCertVerificationError):
            return False, f"its certificate is not valid: {reason.verify_message}"
        return False, f"no answer: {getattr(reason, 'strerror', None) or reason}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return False, f"no answer: {getattr(error, 'strerror', None) or error or type(error).__name__}"
    if code not in check.status:
        return False, f"answers {code}, not {' or '.join(map(str, check.status))}"
    if check.contains and check.contains.encode("utf-8", "replace") not in body:
        return False, f"answers {code}, but its text does not contain what it should"
    return True, f"answers {code}"


def _opener(check: Url) -> Any:
    """Follows redirects to other pages of the web alone, but for those that are the expected answer."""
    import ssl
    import urllib.request

    class Redirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            if code in check.status or not newurl.lower().startswith(("http://", "https://")):
                return None
            # 308 came to urllib with Python 3.11.
            return super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)

        http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302

    context = ssl.create_default_context()
    if not check.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), Redirects()
    )


def _quoted(url: str) -> str:
    """Letters beyond ASCII as a browser sends them: the name by IDNA, the rest as percent signs."""
    import urllib.parse

    parts = urllib.parse.urlsplit(url)
    place = parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode("ascii")
    path, query = (urllib.parse.quote(part, safe="/%:=&?~#+!$,;'@()*[]") for part in (parts.path, parts.query))
    return urllib.parse.urlunsplit((parts.scheme, place, path, query, ""))
