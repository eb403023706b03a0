# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to try after a drill that failed: the next smaller scope, why, and the line that tries it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from typing import Any

_DRILL = "ansible-playbook playbooks/restore_test.yml -e target={host} -e restore_test_only={set}"
_BACKUP = "ansible-playbook playbooks/backup.yml -e target={host} -e backup_only={set} -e backup_force=true"
# For the operation's own set, which is no host's.
_OWN = {
    _DRILL: "ansible-playbook playbooks/restore_test.yml -e restore_test_only={set}",
    _BACKUP: "ansible-playbook playbooks/backup.yml -e backup_only={set} -e backup_force=true",
}
# What failed -> (why this is next, the line). Where an older archive is there, it comes before a new one.
_NEXT = {
    "archive_missing": ("there is nothing to restore from: make a new backup", _BACKUP),
    "archive_unreadable": ("nothing can be read of it: make a new backup, and look at what wrote there", _BACKUP),
    "archive_damaged": ("make a new backup while the live files are there", _BACKUP),
    "manifest_missing": ("without a manifest nothing can be compared: make a new backup", _BACKUP),
    "manifest_damaged": ("move the manifest away: the drill then uses the copy inside the archive", _DRILL),
    "manifest_mismatch": ("move the wrong manifest away: the drill then uses the copy inside the archive", _DRILL),
    "no_space": ("the scratch folder is too small: drill a part of it", f"{_DRILL} -e '{{sample}}'"),
    "dest_locked": ("another drill uses the scratch folder: wait for it, then try again", _DRILL),
    "path_missing": ("take the paths that it does not hold out of restore_paths", ""),
    "restore_differs": (
        "the archive itself can be read alone, which tells damage from what this file system cannot hold",
        f"{_DRILL} -e restore_test_level=blocks",
    ),
    "check_failed": (
        "keep what was extracted, and look at what the check saw",
        f"{_DRILL} -e restore_test_keep=true",
    ),
    "compression_unavailable": (
        "this machine cannot read it, the controller may",
        f"{_DRILL} -e restore_test_on=controller",
    ),
    "sealed_unopened": ("if the key is right, another archive may open: take an older one, or a copy", ""),
    "identity_missing": ("bring the escrowed key to where backup_identity says, mode 0600, then try again", ""),
    "identity_exposed": ("make the key readable by its owner alone, then try again", ""),
    "drill_host_unreachable": ("drill where the backup is", f"{_DRILL} -e restore_test_on=host"),
}  # fmt: skip


def next_scope(document: Mapping[str, Any], code: str | None) -> dict[str, Any] | None:
    """`{"paths", "why", "command"}` for a drill's `document` (with `host` and `backup`) that failed with `code`.

    None where it did not fail; `command` is null where nothing general helps.
    """
    if document.get("status") != "failed":
        return None
    found = document.get("next_scope") or {}
    paths = [path for path in found.get("paths") or [] if isinstance(path, str)]
    host, name = str(document.get("host")), str(document.get("backup"))
    own = (host, name) == ("localhost", "workflows")
    told = [str(found["why"])] if found.get("why") else []
    older = f"AT={_older(document)}" if document.get("history") else ""
    if paths and older:
        told.append(f"an older archive is there, too: {older} in place of PATHS=…")
    if paths and not own:
        command = _restore(host, name, paths)
    elif paths:
        archive, listed = shlex.quote(str(document.get("archive"))), " ".join(map(shlex.quote, paths))
        command = f"tar -xf {archive} -C backups/restore_test {listed}"
    elif older:
        told.append("an older archive is there")
        command = f"make restore HOST={shlex.quote(host)} SET={name} {older}"
    else:
        why, line = _NEXT.get(code or "", ("the reason says what to do; nothing smaller would help", ""))
        told.append(why)
        command = _filled(line, host, name, own, document)
    return {**found, "paths": paths, "why": "; ".join(told), "command": command or None}


def _restore(host: str, name: str, paths: list[str]) -> str:
    return f"make restore HOST={shlex.quote(host)} SET={name} PATHS={shlex.quote(','.join(paths))}"


def _older(document: Mapping[str, Any]) -> str:
    newest = document["history"][0] if isinstance(document["history"], list) else None
    when = newest.get("created") if isinstance(newest, Mapping) else newest
    return shlex.quote(str(when or "…"))


def _filled(line: str, host: str, name: str, own: bool, document: Mapping[str, Any]) -> str:
    for general, its_own in _OWN.items() if own else ():
        line = line.replace(general, its_own)
    return line.format(host=shlex.quote(host), set=name, sample=_sample(document))


def _sample(document: Mapping[str, Any]) -> str:
    """As many parts as make each fit, with a third of the room to spare."""
    details = document.get("details") or {}
    free, required = details.get("free"), details.get("required")
    of = math.ceil(1.5 * required / free) if isinstance(free, int) and isinstance(required, int) and free > 0 else 7
    return f'{{"restore_test_sample": {{"of": {max(of, 2)}}}}}'
