# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One set's run to one copy: bring what is missing, look at one older archive again, remove what is no longer kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from ..vault.index import Vaulted
from . import files, upload
from .files import There
from .plan import Plan, planned
from .store import PART, Store

SCHEMA = "upkeep.copy/1"
# What may pass with another try, and how often that is tried: a line that breaks, not a refusal.
_PASSING = ("connection_lost", "host_unreachable")
_ATTEMPTS = 4
_PAUSE_S = 2.0
_DAY_S = 86400
_ALTERED = "it no longer has the hash that it was written with"
REVERIFY_BYTES = 50 << 30


@dataclass(frozen=True)
class Wanted:
    """What to copy where: `rules` and `at_least` as for `retention.plan`; `verified` are archive_sha256.

    `seen` says when each archive of the copy was last verified, by `created`; with `sealed_only` nothing is brought
    that is not encrypted.
    """

    host: str
    backup: str
    copy: str
    rules: Mapping[str, int]
    at_least: int = 1
    verified: Collection[str] = ()
    seen: Mapping[str, str] = field(default_factory=dict)
    reverify_bytes: int = REVERIFY_BYTES
    sealed_only: bool = False
    attempts: int = _ATTEMPTS
    pause_s: float = _PAUSE_S


def run(
    vault: Store,
    folder: Path,
    store: Store,
    wanted: Wanted,
    check: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Copy. Returns upkeep.copy/1; with `check` what would be done. `folder` is the vault's.

    Raises UpkeepError with the document as `data`: vault_empty, copy_damaged, copy_corrupt, vault_damaged and those of
    `Store`. Nothing is removed then, unless what goes anyway had to make room.
    """
    run_ = _Run(vault, folder, store, wanted, say)
    try:
        return run_.go(check)
    except UpkeepError as error:
        document = run_.told("failed", f"{error.code}: {error.message}")
        raise UpkeepError(error.code, error.message, **{**error.details, "data": document}) from None


class _Run:
    def __init__(self, vault: Store, folder: Path, store: Store, wanted: Wanted, say: Callable[[str], None]) -> None:
        self.vault, self.folder, self.store, self.wanted, self.say = vault, folder, store, wanted, say
        self.place = files.folder_of(wanted.host, wanted.backup)
        self.started, self.clock = times.now(), time.monotonic()
        self.seen = dict(wanted.seen)
        self.there = There([], {}, {}, {})
        self.found: dict[str, Any] = {
            "brought": [], "removed": [], "swept": [], "unclaimed": [], "skipped": [], "left_plain": 0,
            "reverified": None, "verified_by": None, "predicted": False,
        }  # fmt: skip

    def go(self, check: bool) -> dict[str, Any]:
        ours = files.there(self.vault, self.wanted.host, self.wanted.backup)
        if not ours.entries:
            raise UpkeepError(
                "vault_empty",
                f"the vault has no archive of the set {self.wanted.backup} of {self.wanted.host}, so there is nothing "
                "to copy: set backup_vault: true (or vault: true of the set), and back it up.",
            )
        self.there = self._again(lambda: files.there(self.store, self.wanted.host, self.wanted.backup))
        plan = self._plan(ours)
        self.found["left_plain"] = len(plan.plain)
        if plan.plain:
            self.say(f"copy {self.wanted.copy}: left {len(plan.plain)} in the vault, which are not encrypted")
        if check:
            return self._predicted(plan, ours)
        for entry in plan.bring:
            self.say(f"copy {self.wanted.copy}: {self.wanted.backup} of {entry.created}, {entry.bytes} bytes")
            self._again(lambda entry=entry: self._bring_if_there(entry, plan))  # type: ignore[misc]
        self.there = self._again(lambda: files.there(self.store, self.wanted.host, self.wanted.backup))
        self._again(lambda: self._verify_one(plan))
        if not self.store.append_only:
            self._again(lambda: self._remove(self._plan(ours)))
            self._again(lambda: self._sweep(ours))
        return self.told("ok", None)

    def _plan(self, ours: There) -> Plan:
        wanted = self.wanted
        brought = {one["created"] for one in self.found["brought"]}
        return planned(
            ours.entries, self.there.entries, wanted.rules, wanted.at_least, wanted.verified, self.store.append_only,
            wanted.sealed_only, brought,
        )  # fmt: skip

    def _again(self, step: Callable[[], Any]) -> Any:
        """The step, begun anew a few times where the line broke; what went over already stays there."""
        for attempt in range(1, self.wanted.attempts + 1):
            try:
                return step()
            except UpkeepError as error:
                if error.code not in _PASSING or attempt == self.wanted.attempts:
                    raise
                self.say(f"copy {self.wanted.copy}: {error.message} Trying again.")
                time.sleep(self.wanted.pause_s * 2 ** (attempt - 1))
                self.store.again()
        return None

    # -- bring -----------------------------------------------------------------------------------------------------

    def _bring_if_there(self, entry: Vaulted, plan: Plan) -> None:
        """The vault may let go of what was listed a while ago: that is no fault, and no reason to stop."""
        try:
            self._bring(entry, plan)
        except UpkeepError as error:
            if error.code != upload.WENT:
                raise
            self.say(f"copy {self.wanted.copy}: {error.message}")
            self.found["skipped"].append({"created": entry.created, "why": error.message})

    def _bring(self, entry: Vaulted, plan: Plan) -> None:
        begun = time.monotonic()
        self.store.make_folder(self.place)
        self._make_room(entry, plan)
        source = self.folder / self.place
        archive = upload.put(self.store, source / entry.archive, self.place, entry.archive, entry.sha256)
        manifest = None
        if entry.manifest and entry.manifest_sha256:
            manifest = upload.put(
                self.store, source / entry.manifest, self.place, entry.manifest, entry.manifest_sha256
            ).name
        self._commit(files.renamed(entry, archive.name, manifest))
        self.seen[entry.created] = times.iso(times.now())
        self.found["brought"].append(
            {
                "created": entry.created, "archive": archive.name, "bytes": entry.bytes, "sent": archive.bytes,
                "resumed_from": archive.resumed_from, "verified_by": archive.verified_by,
                "duration_ms": int((time.monotonic() - begun) * 1000),
            }
        )  # fmt: skip

    def _make_room(self, entry: Vaulted, plan: Plan) -> None:
        """Where the archive does not fit, what goes anyway goes first, as far as a verified one stays."""
        free, files_there = self.store.free(self.place), self.store.files(self.place)
        needed = entry.bytes - files_there.get(files.part_of(entry.archive), 0)
        if free is None or needed <= free or files_there.get(entry.archive) == entry.bytes:
            return
        newest, is_new = self.there.entries[:1], bool(self.found["brought"])
        going = [one for one in reversed(plan.remove) if one in self.there.entries and (is_new or one not in newest)]
        if self.store.append_only or not going or free + sum(one.bytes for one in going) < needed:
            fewer = "" if self.store.append_only else ", or keep fewer archives (keep)"
            raise UpkeepError(
                "copy_full",
                f"{self.store.place} has {free} bytes free, and {entry.archive} needs {needed}: make room there. Of "
                f"archives remove the oldest by hand, its .json first{fewer}.",
            )
        if not is_new and not self._is_whole(newest[0])[0]:
            raise self._damaged(newest[0].archive, _ALTERED)
        for one in going:
            if free < needed:
                self._remove_one(one, plan)
                free += one.bytes

    def _commit(self, entry: Vaulted) -> None:
        """The index entry, last: with it the archive is there."""
        name = entry.entry
        content = files.as_bytes(entry.document())
        if self.store.append_only:
            taken = self.store.files(self.place)
            name = next(each for each in map(lambda n: files.numbered(name, n), range(1, 1000)) if each not in taken)
        path = f"{self.place}/{name}"
        written = path if self.store.append_only else path + PART
        with self.store.writing(written, None if self.store.append_only else 0) as stream:
            stream.write(content)
        if not self.store.append_only:
            self.store.rename(written, name)

    # -- look again ------------------------------------------------------------------------------------------------

    def _verify_one(self, plan: Plan) -> None:
        """Of what lies there since an earlier run the one that was not looked at for the longest time."""
        new = {one["created"] for one in self.found["brought"]}
        going = {one.created for one in plan.remove}
        old = [one for one in self.there.entries if one.created not in new | going]
        for name, why in self.there.unreadable.items():
            raise self._damaged(name, why)
        if not old:
            return
        entry = min(old, key=lambda one: (self.seen.get(one.created, ""), one.created))
        if entry.bytes > self.wanted.reverify_bytes:
            why = f"{entry.archive} has more than {self.wanted.reverify_bytes} bytes (reverify_bytes)"
            self.found["reverified"] = {"created": entry.created, "ok": None, "why": why}
            return
        begun = time.monotonic()
        ok, by = self._is_whole(entry)
        self.found["reverified"] = {
            "created": entry.created, "ok": ok, "verified_by": by, "last": self.seen.get(entry.created),
            "duration_ms": int((time.monotonic() - begun) * 1000),
        }  # fmt: skip
        if not ok:
            raise self._damaged(entry.archive, _ALTERED)
        self.seen[entry.created] = times.iso(times.now())

    def _is_whole(self, entry: Vaulted) -> tuple[bool, str]:
        """(whether it has its hashes, what told so)."""
        found, by = self.store.hashed(f"{self.place}/{entry.archive}", entry.sha256)
        ok = found == entry.sha256
        if ok and entry.manifest and entry.manifest_sha256:
            beside = self.store.hashed(f"{self.place}/{entry.manifest}", entry.manifest_sha256)[0]
            ok = beside == entry.manifest_sha256
        return ok, by

    def _damaged(self, name: str, why: str) -> UpkeepError:
        stamp = name.partition(".")[0]
        return UpkeepError(
            "copy_damaged",
            f"{self.store.place}: {self.place}/{name} is damaged: {why}. Move {self.place}/{stamp}.* away; the next "
            "run brings it anew where the vault still has it. And look at that disk.",
        )

    # -- remove ----------------------------------------------------------------------------------------------------

    def _remove(self, plan: Plan) -> None:
        """The oldest first."""
        for entry in reversed(plan.remove):
            self._remove_one(entry, plan)

    def _remove_one(self, entry: Vaulted, plan: Plan) -> None:
        """The index entry first, so that nothing is there in part."""
        for name in (self.there.index[entry.created], entry.archive, entry.manifest):
            if name:
                self.store.remove(f"{self.place}/{name}")
                self.there.files.pop(name, None)
        self.there.entries.remove(entry)
        self.seen.pop(entry.created, None)
        self.found["removed"].insert(0, _removed(entry, plan))

    def _sweep(self, ours: There) -> None:
        for name in self._leftovers(ours):
            self.store.remove(f"{self.place}/{name}")
            self.there.files.pop(name)
            self.found["swept"].append(name)

    def _leftovers(self, ours: There) -> list[str]:
        """What may be swept; what may not is named in the document."""
        young = self.store.changed_since(self.place, time.time() - _DAY_S)
        swept, self.found["unclaimed"] = self.there.leftovers([one.created for one in ours.entries], young)
        return swept

    # -- the document ----------------------------------------------------------------------------------------------

    def _predicted(self, plan: Plan, ours: There) -> dict[str, Any]:
        self.found["predicted"] = True
        self.found["brought"] = [
            {"created": one.created, "archive": one.archive, "bytes": one.bytes} for one in plan.bring
        ]
        self.found["removed"] = [_removed(entry, plan) for entry in plan.remove]
        self.found["swept"] = [] if self.store.append_only else self._leftovers(ours)
        return self.told("ok", None)

    def told(self, status: str, reason: str | None) -> dict[str, Any]:
        """upkeep.copy/1 as things stand."""
        entries = self.there.entries
        newest = entries[0] if entries else None
        brought = self.found["brought"]
        again = self.found["reverified"] or {}
        by = brought[0].get("verified_by") if brought else again.get("verified_by")
        return {
            "schema": SCHEMA,
            "backup": self.wanted.backup,
            "copy": self.wanted.copy,
            "to": self.store.place,
            "path": self.place,
            "created": newest.created if newest else None,
            "archive": newest.archive if newest else None,
            "archive_sha256": newest.archive_sha256 if newest else None,
            "sha256": newest.sha256 if newest else None,
            "bytes": newest.bytes if newest else None,
            "append_only": self.store.append_only,
            "unchanged": not brought,
            "kept": {"archives": len(entries), "bytes": sum(one.bytes for one in entries)},
            **self.found,
            "verified_by": by,
            "entries": [_listed(one, self.seen) for one in entries],
            "unreadable": list(self.there.unreadable),
            "status": status,
            "reason": reason,
            "started": times.iso(self.started),
            "finished": times.iso(times.now()),
            "duration_ms": int((time.monotonic() - self.clock) * 1000),
        }


def changed(document: Mapping[str, Any]) -> bool:
    """Whether the copy is, or would be, another than before."""
    return bool(document["brought"] or document["removed"] or document["swept"])


def diff(document: Mapping[str, Any]) -> dict[str, str]:
    """For Ansible's diff mode: a line an archive that comes or goes."""
    before = "".join(f"{one['archive']} {one['why']}\n" for one in document["removed"])
    after = "".join(f"{one['archive']}\n" for one in document["brought"])
    where = f"{document['to']}/{document['path']}"
    return {"before_header": where, "after_header": where, "before": before, "after": after}


def _removed(entry: Vaulted, plan: Plan) -> dict[str, Any]:
    return {
        "created": entry.created, "archive": entry.archive, "archive_sha256": entry.archive_sha256,
        "bytes": entry.bytes, "why": plan.why[entry.created],
    }  # fmt: skip


def _listed(entry: Vaulted, seen: Mapping[str, str]) -> dict[str, Any]:
    return {
        "created": entry.created, "archive_sha256": entry.archive_sha256, "bytes": entry.bytes,
        "sealed": entry.sealed is not None, "verified_at": seen.get(entry.created),
    }  # fmt: skip
