# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How deep a restore test goes, as data: what each level does, and what it leaves open."""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from .content import sha256_from_start
from .manifest import BESIDE
from .verify import Archive, Findings

_DRIFT = "drift: the live files were not compared"


class Level(NamedTuple):
    """`mode` is how it reads the archive; `leaves_open` is what its success does not prove."""

    mode: str
    leaves_open: List[str]


HASH, BLOCKS, EXTRACT = "hash", "blocks", "extract"
# Each one proves what those before it do.
LEVELS: Dict[str, Level] = {
    HASH: Level("hash", [
        "that it restores: only the hash of the archive file was compared, no entry was read",
        "the extraction: nothing was written to a disk and read back",
        "the application checks: there was nothing to run them on",
    ]),
    BLOCKS: Level("stream", [
        "the extraction: every block and entry in scope was read, nothing was written to a disk and read back",
        "the application checks: there was nothing to run them on",
    ]),
    EXTRACT: Level("extract", []),
}  # fmt: skip
OF_MODE = {level.mode: name for name, level in LEVELS.items()}


def chosen(level: Optional[str], mode: str) -> str:
    """The level asked for: `level` itself, else the one that `mode` means. Raises UpkeepError `bad_parameter`."""
    if level is not None and level not in LEVELS:
        raise UpkeepError("bad_parameter", f"level: {level} is none of {', '.join(LEVELS)}.", option="level")
    return level or OF_MODE.get(mode, BLOCKS)


def require_whole(level: str, paths: List[str], sample: Optional[Dict[str, Any]]) -> None:
    """A file's hash is of the whole file. Raises UpkeepError `bad_parameter` where less is asked for."""
    if level == HASH and (paths or sample):
        message = "level: hash looks at the whole archive file; leave paths and sample out, or choose level blocks."
        raise UpkeepError("bad_parameter", message, option="level")


def verify_hash(archive: Archive, findings: Findings) -> None:
    """Level hash: the archive file against the manifest beside it. Raises UpkeepError `manifest_missing`."""
    known = archive.manifest
    if known.kind != BESIDE:
        message = f"level: hash needs the manifest beside {archive.path}, which is missing; level blocks does without."
        raise UpkeepError("manifest_missing", message)
    findings.archive_sha256 = sha256_from_start(archive.fd)
    if findings.archive_sha256 == known.closing["archive_sha256"]:
        return
    size, meant = os.fstat(archive.fd).st_size, known.closing["archive_bytes"]
    told = "its hash is not the manifest's" if size == meant else f"it has {size} bytes, {meant} were written"
    findings.fail("archive_damaged", f"{archive.path}: {told}. Level blocks says which entries are intact.")


def reached(asked: str, archive: Optional[Archive], findings: Findings, restored: bool) -> Optional[str]:
    """The deepest level whose proof holds whatever failed above it; None where not even the file is what was written.

    `restored`: all of the scope was extracted and found as it was.
    """
    if archive is None:
        return None
    known = archive.manifest
    file_intact = known.kind == BESIDE and findings.archive_sha256 == known.closing["archive_sha256"]
    if asked == HASH:
        return HASH if file_intact else None
    whole = findings.expected > 0 and findings.verified == findings.expected
    spoiled = {"archive_damaged", "manifest_mismatch", "manifest_damaged"} & {code for code, _why in findings.failures}
    if not whole or findings.damaged or spoiled:
        return HASH if file_intact else None
    return EXTRACT if asked == EXTRACT and restored else BLOCKS


def left_open(level: Optional[str], compare: str) -> List[str]:
    """What a test that reached `level` does not prove, a sentence each."""
    told = LEVELS[level].leaves_open if level else ["anything: the archive file is not what was written, or not there"]
    return [*told, *([] if compare == "live" else [_DRIFT])]
