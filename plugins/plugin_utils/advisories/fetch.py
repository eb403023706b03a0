# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Feeds over HTTP(S), or from a folder: what is new is fetched, what is not is confirmed.

A file that is there stays until a whole new one is: it is written as `.part` and renamed. What the server said of it
stands beside it as `.about.json`, so that the next request is conditional. Credentials in a URL are sent to that host
alone and never shown.
"""

from __future__ import annotations

import contextlib
import email.utils
import hashlib
import http.client
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.version import VERSION

from ..documents import text
from ._way import AsItIs, Gzip
from .address import apart, joined, local_folder, shown
from .compressed import MAGIC
from .model import Feed

_BLOCK = 2**17
_LARGE = 5_000_000  # bytes that take a while to come
_REDIRECTS = 5
_POINTER_LIMIT = 1024
_FIRST_PAUSE = 1.0  # seconds, doubled with each attempt
_LONGEST_PAUSE = 60.0  # of what a server asks for with Retry-After
_WEB_PAGE = re.compile(rb"\s*<(!doctype html|html)", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """mirror: a base URL or a folder below which each feed lies as its `path`. timeout: seconds without a byte.
    patience: seconds for one file in all."""

    mirror: str | None = None
    timeout: float = 30.0
    attempts: int = 4
    patience: float = 1800.0


@dataclass(frozen=True)
class Fetched:
    """A feed's file. `is_new`: it has other bytes than the time before.

    modified: when the upstream says that it was made. heard: when the upstream last said that this is its file; in a
    folder, when it came to lie there.
    """

    feed: Feed
    file: Path
    sha256: str
    size: int
    is_new: bool
    modified: str | None
    heard: str


@dataclass(frozen=True)
class _About:
    """What is known of a file in the cache."""

    url: str
    sha256: str
    size: int
    etag: str | None = None
    last_modified: str | None = None


class _Passing(Exception):
    """Worth another attempt. `pause`: seconds that the server asked for."""

    def __init__(self, what: str, pause: float | None = None) -> None:
        super().__init__(what)
        self.pause = pause


class Fetcher:
    """Fetches feeds into the folder `cache`."""

    def __init__(
        self,
        cache: Path,
        settings: Settings,
        wait: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._cache = cache
        self._settings = settings
        self._wait, self._say = wait, say
        self._opener = urllib.request.build_opener(_Redirects)
        self._folder = local_folder(settings.mirror)

    def fetch(self, source: str, feed: Feed) -> Fetched:
        """The feed's current file.

        Raises UpkeepError `feed_unreachable`, `feed_refused`, `feed_too_large`, `feed_unexpected`, `feed_missing`
        (from a folder), `bad_mirror`.
        """
        if self._folder is not None:
            return _from_folder(source, feed, self._folder / feed.path)
        file = self._cache / feed.path
        atomic.make_folder(str(file.parent))
        url = self._url(source, feed)
        about = _about(file, url)
        answer = self._attempts(source, url, lambda: self._request(source, feed, url, file, about))
        is_new = about is None or answer.sha256 != about.sha256
        return Fetched(
            feed, file, answer.sha256, answer.size, is_new, _made(answer.last_modified), times.iso(times.now())
        )

    def last(self, feed: Feed) -> Fetched | None:
        """What the last fetch left, without asking anybody; None where that is nothing."""
        file = self._cache / feed.path
        about = _about(file, None) if self._folder is None else None
        if about is None:
            return None
        heard = times.from_timestamp(file.stat().st_mtime)
        return Fetched(feed, file, about.sha256, about.size, False, _made(about.last_modified), heard)

    def forget(self, feed: Feed) -> None:
        """Fetch this one whole the next time: it turned out to be damaged."""
        with contextlib.suppress(OSError):
            _beside(self._cache / feed.path).unlink()

    def where(self, feed: Feed) -> str:
        """Where the feed comes from, for people."""
        if self._folder is not None:
            return str(self._folder / feed.path)
        if self._settings.mirror:
            return shown(joined(self._settings.mirror, feed.path))
        return shown(feed.url)

    def _url(self, source: str, feed: Feed) -> str:
        if self._settings.mirror:
            return joined(self._settings.mirror, feed.path)
        if feed.pointer is None:
            return feed.url
        pointer = feed.pointer
        name = self._attempts(source, pointer, lambda: self._line(source, pointer))
        return joined(feed.url, name)

    def _line(self, source: str, url: str) -> str:
        with self._open(source, url, {}) as answer:
            name = answer.read(_POINTER_LIMIT).decode("ascii", "replace").strip()
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise _unexpected(source, url, "it names no file")
        return str(name)

    def _attempts(self, source: str, url: str, attempt: Callable[[], Any]) -> Any:
        for number in range(1, self._settings.attempts + 1):
            try:
                return attempt()
            except _Passing as error:
                if number == self._settings.attempts:
                    tries = "once" if number == 1 else f"{number} times"
                    raise UpkeepError(
                        "feed_unreachable",
                        f"{source}: {shown(url)} was asked {tries} and did not give its file ({error}). What was "
                        "loaded before stays; look at the network and the proxy, or name a mirror (advisories_mirror).",
                        source=source,
                        url=shown(url),
                    )
                self._wait(error.pause if error.pause is not None else _FIRST_PAUSE * 2 ** (number - 1))

    @contextlib.contextmanager
    def _open(self, source: str, url: str, headers: dict[str, str]) -> Iterator[Any]:
        """The answer to a request; what may pass as _Passing, the rest as UpkeepError."""
        bare, credentials = apart(url)
        request = urllib.request.Request(bare, headers={"User-Agent": f"proven.upkeep/{VERSION}", **headers})
        if credentials:
            request.add_unredirected_header("Authorization", credentials)
        try:
            with self._opener.open(request, timeout=self._settings.timeout) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            if error.code == 304:
                yield None
                return
            what = "with redirects that lead nowhere" if 300 <= error.code < 400 else f"HTTP {error.code}"
            if error.code in (408, 425, 429) or error.code >= 500:
                raise _Passing(what, _asked_pause(error.headers))
            raise UpkeepError(
                "feed_refused",
                f"{source}: {shown(url)} answers {what}. What was loaded before stays; look at the address and at the "
                "mirror, if there is one, and at what it lets you see.",
                source=source,
                url=shown(url),
                status=error.code,
            )
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise _unexpected(source, url, f"its certificate is not trusted: {error.reason.verify_message}")
            raise _Passing(_reason(error.reason))
        except zlib.error:
            raise _Passing("the gzip of the answer is damaged")
        except (ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException) as error:
            raise _Passing(_reason(error))
        except OSError as error:  # not the network's
            raise UpkeepError(
                "cache_unwritable",
                f"{source}: its file cannot be written to {self._cache} ({error.strerror}): make room, or make it "
                "writable for this user. What was loaded before stays.",
                source=source,
            )
        except ValueError:
            raise UpkeepError("bad_mirror", f"advisories_mirror: {shown(url)} is no http or https address.")

    def _request(self, source: str, feed: Feed, url: str, file: Path, about: _About | None) -> _About:
        headers = {"Accept-Encoding": "identity" if Path(feed.path).suffix in MAGIC else "gzip"}
        if about and about.etag:
            headers["If-None-Match"] = about.etag
        if about and about.last_modified:
            headers["If-Modified-Since"] = about.last_modified
        with self._open(source, url, headers) as answer:
            if answer is None:
                if about is None:
                    raise _unexpected(source, url, "it says 304 without being asked whether the file changed")
                return about
            try:
                sha256, size = self._write(source, feed, url, answer, _part(file))
            except BaseException:
                _part(file).unlink(missing_ok=True)
                raise
            got = _About(shown(url), sha256, size, answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
        _beside(file).unlink(missing_ok=True)  # never beside another file than its own
        os.replace(_part(file), file)
        atomic.write_json(str(_beside(file)), asdict(got))
        return got

    def _write(self, source: str, feed: Feed, url: str, answer: Any, part: Path) -> tuple[str, int]:
        """(sha256, size) of what was written, which is whole and begins as its name says."""
        announced = answer.headers.get("Content-Length")
        if announced and announced.isdigit() and int(announced) > feed.limit:
            raise _too_large(source, feed, url)
        if announced and announced.isdigit() and int(announced) > _LARGE:
            self._say(f"{source}: fetching {text.size(int(announced))} from {shown(url)}")
        unpack = _unpacker(source, feed, url, answer.headers.get("Content-Encoding"))
        deadline = time.monotonic() + self._settings.patience
        sha256, size, came = hashlib.sha256(), 0, 0
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as stream:
            while block := answer.read1(_BLOCK):
                came += len(block)
                for content in unpack(block):
                    if not size and (wrong := _wrong_beginning(feed, content)):
                        raise _unexpected(source, url, wrong)
                    size += len(content)
                    if size > feed.limit:
                        raise _too_large(source, feed, url)
                    sha256.update(content)
                    stream.write(content)
                if time.monotonic() > deadline:
                    raise _Passing(f"not done after {self._settings.patience:.0f} s", 0)
            if (announced and announced.isdigit() and came < int(announced)) or not unpack.is_whole():
                raise _Passing(f"cut off after {came} bytes")
            if not size:
                raise _unexpected(source, url, "the file is empty")
            stream.flush()
            os.fsync(stream.fileno())
        return sha256.hexdigest(), size


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A few redirects, never from https to http, never to a file."""

    max_redirections = _REDIRECTS

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise urllib.error.HTTPError(newurl, code, "redirect", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _unpacker(source: str, feed: Feed, url: str, encoding: str | None) -> AsItIs | Gzip:
    # Many servers call a file's own packing the way's; a packed file is asked for as it is, and taken as it comes.
    if encoding in (None, "", "identity") or Path(feed.path).suffix in MAGIC:
        return AsItIs()
    if encoding in ("gzip", "x-gzip"):
        return Gzip()
    raise _unexpected(source, url, f"it is packed as {encoding}")


def _wrong_beginning(feed: Feed, content: bytes) -> str | None:
    if _WEB_PAGE.match(content):
        return "a web page came in its place, as from a proxy that wants a login"
    magic = MAGIC.get(Path(feed.path).suffix, b"")
    if not content.startswith(magic[: len(content)]):
        return f"it is no {Path(feed.path).suffix} file"
    return None


def _from_folder(source: str, feed: Feed, file: Path) -> Fetched:
    """A file of the local mirror, where it lies."""
    try:
        with file.open("rb") as stream:
            facts = os.fstat(stream.fileno())
            if facts.st_size > feed.limit:
                raise _too_large(source, feed, str(file))
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UpkeepError(
            "feed_missing",
            f"{source}: {file} cannot be read ({error.strerror}): put the file there, or look at advisories_mirror.",
            source=source,
            file=str(file),
        )
    modified = times.from_timestamp(facts.st_mtime)
    heard = min(max(facts.st_mtime, facts.st_ctime), time.time())  # a copy may keep the upstream's time
    return Fetched(feed, file, sha256, facts.st_size, True, modified, times.from_timestamp(heard))


def _about(file: Path, url: str | None) -> _About | None:
    """What is known of a cached file, if it came from this address (None: from any) and is still what came."""
    try:
        about = _About(**json.loads(_beside(file).read_bytes()))
        with file.open("rb") as stream:
            is_same = hashlib.file_digest(stream, "sha256").hexdigest() == about.sha256
    except (OSError, ValueError, TypeError):
        return None
    return about if is_same and (url is None or about.url == shown(url)) else None


def _beside(file: Path) -> Path:
    return file.with_name(file.name + ".about.json")


def _part(file: Path) -> Path:
    return file.with_name(file.name + ".part")


def _made(last_modified: str | None) -> str | None:
    with contextlib.suppress(ValueError, TypeError):
        return times.iso(email.utils.parsedate_to_datetime(last_modified or ""))
    return None


def _asked_pause(headers: Any) -> float | None:
    asked = (headers.get("Retry-After") or "").strip()
    return min(float(asked), _LONGEST_PAUSE) if asked.isdigit() else None


def _reason(error: Any) -> str:
    """Never with the URL in it: it may hold a password."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.IncompleteRead):
        return f"cut off after {len(error.partial)} bytes"
    if isinstance(error, OSError):
        return error.strerror or " ".join(str(error).split())  # a proxy's refusal has no number
    return type(error).__name__


def _unexpected(source: str, url: str, what: str) -> UpkeepError:
    return UpkeepError(
        "feed_unexpected",
        f"{source}: {shown(url)} does not give the file that it should: {what}. What was loaded before stays.",
        source=source,
        url=shown(url),
    )


def _too_large(source: str, feed: Feed, where: str) -> UpkeepError:
    return UpkeepError(
        "feed_too_large",
        f"{source}: {shown(where)} has more than the {feed.limit} bytes that are taken of it: "
        "look whether it is the right file. What was loaded before stays.",
        source=source,
        limit=feed.limit,
    )
