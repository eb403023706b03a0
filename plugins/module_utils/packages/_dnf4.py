# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking dnf 4: in this process where its Python API is there, else through the interpreter that runs `dnf` itself."""

from __future__ import annotations

import importlib.util
import json
import os
from typing import Any, Dict, List, Optional, Sequence

from ..errors import UpkeepError
from . import _dnf4_facts
from ._dnf_common import failed, needs
from ._files import text_or_none
from ._rpm import RpmPackage
from ._rpm_view import Advisory, Available, Facts, Gone, Lock, RpmRepo, Step
from ._run import run

TIMEOUT = 300


def available() -> bool:
    """Whether this interpreter has dnf's API (the distribution's belongs to the system's interpreter alone)."""
    return all(importlib.util.find_spec(name) is not None for name in ("dnf", "hawkey", "libdnf"))


def by_bindings(root: str, _packages: Sequence[RpmPackage] = ()) -> Facts:
    """Ask in this process. Raises UpkeepError `dnf_failed`."""
    try:
        return from_document(_dnf4_facts.facts(root), root)
    except UpkeepError:
        raise
    except Exception as error:  # dnf, hawkey and libdnf each raise their own
        raise failed(f"{type(error).__name__}: {error}")


def by_commands(root: str, command: str, _packages: Sequence[RpmPackage] = ()) -> Facts:
    """Ask the interpreter that runs `command`, the path of `dnf`. Raises UpkeepError `dnf_failed`, `command_failed`."""
    interpreter = interpreter_of(command)
    if interpreter is None:
        raise failed(f"{command} does not say which Python runs it")
    # -I: neither its environment nor the current folder may bring another `dnf`.
    source = text_of(_dnf4_facts).replace("from __future__ import annotations\n", "")
    answer = run([interpreter, "-I", "-c", source, root], timeout=TIMEOUT).stdout
    try:
        document = json.loads(answer[answer.index("{") :])
    except ValueError:
        raise failed("it does not answer with JSON")
    if "error" in document:
        raise failed(document["error"])
    return from_document(document, root)


def interpreter_of(command: str) -> Optional[str]:
    """The interpreter in the first line of a script."""
    first = (text_or_none(command) or "").split("\n", 1)[0]
    words = first[2:].split() if first.startswith("#!") else []
    return words[0] if words and os.path.isabs(words[0]) else None


def text_of(module: Any) -> str:
    """The source of a module, also out of the archive that Ansible sends to a host."""
    return str(module.__loader__.get_source(module.__name__))


def from_document(document: Dict[str, Any], root: str) -> Facts:
    """`Facts` of the document that `_dnf4_facts` answers with."""
    expired = _expired(document["paths"]["cache"])
    return Facts(
        version=document["version"],
        repositories=[_repository(entry, root, expired) for entry in document["repositories"]],
        newer=[_available(entry) for entry in document["newer"]],
        install=[Step(_available(entry), entry["kind"]) for entry in document["install"]],
        remove=[Gone(entry["name"], entry["arch"], entry["evr"], entry["by"]) for entry in document["remove"]],
        problems=document["problems"],
        advisories=[
            Advisory(
                entry["id"],
                entry["type"],
                entry["severity"],
                entry["published"],
                tuple(entry["cves"]),
                tuple(tuple(package) for package in entry["packages"]),
            )
            for entry in document["advisories"]
        ],
        auto={(entry[0], entry[1]) for entry in document["auto"]},
        locks=[Lock(e["text"], tuple(e["names"]), e["holds"], e["excludes"]) for e in document["locks"]],
        excludes=document["main_excludes"],
        best=document["best"],
        paths=document["paths"],
    )


def _available(entry: Dict[str, Any]) -> Available:
    return Available(
        entry["name"], entry["arch"], entry["evr"], entry["repo"], entry["sourcerpm"] or None, entry.get("hidden")
    )


def _expired(cache: str) -> List[str]:
    """The repositories that `dnf clean expire-cache`, or a refresh of theirs that failed, has marked."""
    try:
        found = json.loads(text_or_none(os.path.join(cache, "expired_repos.json")) or "[]")
    except ValueError:
        return []
    return found if isinstance(found, list) else []


def _repository(entry: Dict[str, Any], root: str, expired: List[str]) -> RpmRepo:
    return RpmRepo(
        id=entry["id"],
        enabled=entry["enabled"],
        name=entry["name"] or "",
        fetched=entry["fetched"],
        expired=entry["fetched"] and entry["id"] in expired,
        refreshed_at=entry["refreshed_at"],
        updateinfo=entry["updateinfo"],
        repomd=os.path.join(entry["folder"], "repodata", "repomd.xml") if entry["folder"] else None,
        signed=entry["repo_gpgcheck"],
        excludes=entry["excludes"],
        needs=needs(entry["client_cert"], root),
    )
