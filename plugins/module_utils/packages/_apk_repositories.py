# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The repositories that apk is told to use, how old their indexes are, and refreshing them.

Formats: apk-repositories(5). An index is cached as `APKINDEX.<hash>.tar.gz`: the first eight digits of the index URL's
SHA-1 (apk-tools 2) or SHA-256 (3). An index on this machine (a path, `file://`) is not cached but read where it lies.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

from .. import times
from ..errors import UpkeepError
from . import _refresh_note
from ._files import line_or_none, text_or_none
from ._refresh_note import Refresh, without_secrets
from ._run import Finished, run
from .model import Metadata, Repository

TIMEOUT = 300
LOCK_WAIT = 60
# https://dl-cdn.example.org/alpine/v3.20/main
_RELEASE = re.compile(r"/(edge|v\d+\.\d+|latest-stable)/([^/]+)/?$")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_FAILURE = re.compile(r"^(?:WARNING|ERROR): (.*)$", re.MULTILINE)
_COUNTED = re.compile(r"^(\d+) unavailable, (\d+) stale;", re.MULTILINE)
NO_SECURITY = (
    "apk's repositories do not say which updates are security updates: `security` is false for all of them, and means "
    "nothing here."
)


@dataclass(frozen=True)
class Source:
    """A line of the repository files: `url` is the repository, `index` its index's place, `tag` how to ask for it."""

    url: str
    index: str
    tag: str = ""


def files(root: str) -> List[str]:
    """The repository files, in apk's order: of two of one name in the folders, the first counts."""
    found = [os.path.join(root, "etc/apk/repositories")]
    seen = set()
    for folder in ("etc/apk/repositories.d", "lib/apk/repositories.d"):
        path = os.path.join(root, folder)
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else []:
            if name.endswith(".list") and name not in seen:
                seen.add(name)
                found.append(os.path.join(path, name))
    return found


def sources(root: str) -> List[Source]:
    """What the repository files name."""
    arch = line_or_none(os.path.join(root, "etc/apk/arch")) or os.uname().machine
    variables = {"APK_ARCH": arch}
    return [each for path in files(root) for each in parse(text_or_none(path) or "", arch, variables)]


def parse(text: str, arch: str, variables: Dict[str, str]) -> Iterator[Source]:
    """The repositories of one file; its `set` lines go into `variables`."""
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "set":
            name, _equals, setting = words[-1].partition("=")
            if not ("-default" in words and name in variables):
                variables[name] = _expand(setting, variables)
            continue
        kind = words.pop(0) if words[0] in ("v2", "v3", "ndx") else ""
        tag = words.pop(0)[1:] if words and words[0].startswith("@") else ""
        if not words:
            continue
        url, components = _expand(words[0], variables), [_expand(word, variables) for word in words[1:]]
        if kind == "ndx" or (not kind and url.endswith((".adb", ".tar.gz"))):
            yield Source(url, url, tag)
            continue
        name = "Packages.adb" if kind == "v3" else "APKINDEX.tar.gz"
        for base in [f"{url.rstrip('/')}/{component}" for component in components] or [url.rstrip("/")]:
            yield Source(base, f"{base}/{arch}/{name}", tag)


def _expand(text: str, variables: Dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match.group(1), match.group(0)), text)


def cache_folder(root: str) -> str:
    """Where apk keeps indexes: the operator's cache if there is one."""
    chosen = os.path.join(root, "etc/apk/cache")
    return chosen if os.path.isdir(chosen) else os.path.join(root, "var/cache/apk")


def index_file(root: str, source: Source) -> Optional[str]:
    """The index of a source on this machine, None where it was never fetched."""
    if source.index.startswith(("/", "file://")):
        paths = [source.index.replace("file://", "", 1)]
    else:
        text, end = source.index.encode(), ".adb" if source.index.endswith(".adb") else ".tar.gz"
        names = [made(text).hexdigest()[:8] for made in (hashlib.sha1, hashlib.sha256)]
        paths = [os.path.join(cache_folder(root), f"APKINDEX.{name}{end}") for name in names]
    return next((path for path in paths if os.path.isfile(path)), None)


def is_signed(path: str) -> Optional[bool]:
    """Whether an index of apk-tools 2 begins with its signature; None for the format of 3, and where unreadable."""
    try:
        with Path(path).open("rb") as stream:
            first = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(stream.read(4096), 512)
    except (OSError, zlib.error):
        return None
    return first.startswith(b".SIGN.")


def judge(root: str, listed: List[Source], max_age: int, now: datetime, refresh: Optional[Refresh]) -> Metadata:
    """The document's `metadata`. Stale: an index older than `max_age` seconds or absent, a refresh that failed."""
    problems = []
    if not listed:
        problems.append(f"No repository is configured in {os.path.join(root, 'etc/apk/repositories')}.")
    ages, repositories = [], []
    for source in listed:
        path = index_file(root, source)
        # apk touches an index that is still current; the server's own time may stand in its mtime.
        when = None if path is None else os.stat(path).st_ctime
        remote = not source.index.startswith(("/", "file://"))
        if path is None:
            problems.append(f"The repository {without_secrets(source.url)} is configured but its index is not there.")
        elif remote and when is not None:
            ages.append(when)
        release = _RELEASE.search(source.url)
        repositories.append(
            Repository(
                id=(f"@{source.tag} " if source.tag else "") + without_secrets(source.url),
                enabled=True,
                suite=release.group(1) if release else None,
                components=[release.group(2)] if release else [],
                signed=is_signed(path) if path else None,
                fetched=path is not None,
                date=None if when is None else times.from_timestamp(when),
            )
        )
    # Each index is fetched for itself: the oldest tells how far all of them can be trusted.
    oldest = min(ages) if ages else None
    problems[:0] = refresh.failures if refresh else _refresh_note.remembered("apk", root, oldest)
    if oldest is not None and now.timestamp() - oldest > max_age:
        problems.append(f"The package lists were last refreshed at {times.from_timestamp(oldest)}: run `apk update`.")
    return Metadata(
        refreshed_at=None if oldest is None else times.from_timestamp(oldest),
        refresh_ok=None if refresh is None else not refresh.failures,
        stale=bool(problems),
        repositories=repositories,
        problems=problems,
        tells_security=False,
    )


def may_refresh(root: str) -> bool:
    """Whether this user can."""
    return os.access(cache_folder(root), os.W_OK)


def refresh(root: str, listed: List[Source], lock_wait: int = LOCK_WAIT) -> Refresh:
    """Run `apk update`, waiting at most `lock_wait` seconds for whoever has apk's lock. Failures are an answer."""
    before = _state(root, listed)
    argv = ["apk", "--root", root, "--wait", str(lock_wait), "--cache-max-age", "0", "update"]
    try:
        failures = parse_failures(run(argv, timeout=TIMEOUT, allow=tuple(range(256))))
    except UpkeepError as error:
        failures = [f"Refresh: {error.message}"]
    _refresh_note.write("apk", root, failures)
    return Refresh(_state(root, listed) != before, failures)


def parse_failures(result: Finished) -> List[str]:
    """A sentence for each repository that `apk update` complains about."""
    said = [f"Refresh: {without_secrets(text)}" for text in _FAILURE.findall(result.stdout + "\n" + result.stderr)]
    counted = _COUNTED.search(result.stdout + "\n" + result.stderr)
    failed = result.rc != 0 or (counted is not None and counted.groups() != ("0", "0"))
    if not failed:
        return []  # warnings of another kind
    return said or [f"Refresh: apk update failed with exit code {result.rc}."]


def _state(root: str, listed: List[Source]) -> List[Tuple[str, bytes]]:
    """What the indexes hold: apk touches them even where nothing is new."""
    paths = sorted(path for path in (index_file(root, source) for source in listed) if path)
    return [(path, hashlib.sha256(Path(path).read_bytes()).digest()) for path in paths]
