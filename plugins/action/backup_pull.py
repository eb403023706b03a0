# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring a set's archive to the controller's vault; then let go what its retention does not keep."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, locks, public_keys
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction, say
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain
from ansible_collections.proven.upkeep.plugins.plugin_utils.sftp import of_task
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault import document, index, kept, look, pull, store, ways
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault.part import Wanted
from ansible_collections.proven.upkeep.plugins.plugin_utils.vault.progress import Progress

_SLICE = 8 << 20
_NUMBERS = ("keep_last", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly")
# What another way may do better.
_OTHER_WAY = ("sftp_refused", "auth_failed", "not_ours")


class _Skipped(Exception):
    """The host says why it leaves this out."""


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    _requires_connection = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "archive": {"type": "str", "required": True},
        "backup": {"type": "str", "required": True},
        "recipients": {"type": "list", "elements": "str", "default": []},
        "program": {"type": "str", "choices": ["auto", "age", "gpg"], "default": "auto"},
        "requires_root": {"type": "bool", "default": False},
        **{name: {"type": "int", "default": 0} for name in _NUMBERS},
        "keep_at_least": {"type": "int", "default": 1},
        "max_size": {"type": "int"},
        "reverify_bytes": {"type": "int", "default": look.MOST_BYTES},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Pull where the vault has not got it, and prune; in check mode say what would be done."""
        began, home, host = times.now(), self.home(), self.inventory_name()
        self._given = arguments
        folder = index.place(home, host, arguments["backup"])
        keys = public_keys.texts(arguments["recipients"], home) if arguments["recipients"] else []
        try:
            if self.check:
                return self._predicted(home, folder, keys)
            atomic.make_folder(str(folder))
            with locks.exclusive(folder / ".lock", self._waiting):
                data = self._brought(folder, keys, began)
                is_new, most = not data["unchanged"], arguments["reverify_bytes"]
                data["looked"] = look.again(folder, data["created"], is_new, most)
                self._prune(home, folder, data)
        except _Skipped as skipped:
            return {"changed": False, "skipped": True, "skip_reason": str(skipped)}
        changed = not data["unchanged"] or bool(data["removed"])
        return {"changed": changed, "data": data, **self._diff(data)}

    def _waiting(self, holder: str) -> None:
        backup = self._given["backup"]
        say([f"  {self.inventory_name()} {backup}  waits for {holder} on this machine, which pulls the same set"])

    def _brought(self, folder: Path, keys: list[str], began: datetime) -> dict[str, Any]:
        there = index.entries_in(folder)
        offer = self._offer(there)
        for is_last in (False, True):
            entry = _same(there, offer, keys, self._given["program"])
            if entry is not None:
                if keys and offer.get("is_sealed"):  # a run was killed before it came to this
                    self._unseal(offer)
                return document.of_entry(entry, None, None, began)
            try:
                offered = self._offered(offer, keys)
                entry, went, way = self._stored(folder, offered)
            except pull.Replaced:
                before, offer = offer, self._offer([])
                if (before["sha256"], before["created"]) == (offer["sha256"], offer["created"]):
                    raise store.mismatch(offer["archive"], offer["sha256"])
                if is_last:
                    message = f"archive: {offer['archive']} is being replaced again and again; try when no backup runs."
                    raise UpkeepError("archive_changed", message)
                continue
            if offered.sealed:
                self._unseal(offer)
            return document.of_entry(entry, went, way, began)
        raise AssertionError("not reached")

    def _unseal(self, offer: Mapping[str, Any]) -> None:
        """The host keeps no encrypted form of what is in the vault."""
        self._ask("backup_seal", {"archive": offer["archive"], "state": "absent"})

    def _stored(self, folder: Path, offered: store.Offered) -> tuple[index.Vaulted, pull.Pulled, str]:
        """By the first way that leads there."""
        possible = self._ways()
        for number, way in enumerate(possible, 1):
            tell = Progress(f"{offered.host} {offered.backup}", lambda line: say([line]))
            try:
                return (*store.store(folder, offered, pull.Puller(way, tell)), way.name)
            except UpkeepError as error:
                if error.code not in _OTHER_WAY or number == len(possible):
                    raise
                say([f"  {offered.host} {offered.backup}  not by {way.name}: {error.message}"])
        raise AssertionError("not reached")

    def _ways(self) -> list[ways.Way]:
        in_pieces = ways.InPieces(self._slice)
        if self._connection.transport == "local":
            return [ways.Here(), in_pieces]
        target = of_task.target(self._connection)
        return [in_pieces] if target is None else [ways.Sftp(target, self._ssh()), in_pieces]

    def _ssh(self) -> str:
        return str(plain(self._connection.get_option("ssh_executable")) or "ssh")

    def _offer(self, there: list[index.Vaulted]) -> dict[str, Any]:
        """What the host has; with the hash of the manifest unless the vault has that archive."""
        known = [one.archive_sha256 for one in there]
        asked = {key: self._given[key] for key in ("archive", "backup", "requires_root")}
        return self._ask("backup_pull", {**asked, "known": known})

    def _offered(self, offer: Mapping[str, Any], keys: list[str]) -> store.Offered:
        """What goes over the line: the files as they lie there, or sealed ones that the host makes of them.

        Raises pull.Replaced where what it sealed is not (any more) what it offered.
        """
        if not keys and offer["manifest_sha256"] is None:  # known, but sealed there until now
            offer = self._offer([])
        archive = Wanted(offer["archive"], offer["bytes"], offer["sha256"])
        its_manifest = Wanted(offer["manifest"], offer["manifest_bytes"], offer["manifest_sha256"])
        sealed = None
        if keys:
            asked = {"archive": offer["archive"], "recipients": keys, "program": self._given["program"]}
            made = self._ask("backup_seal", asked)
            if made["archive_sha256"] != offer["sha256"]:
                raise pull.Replaced
            archive = Wanted(made["archive"], made["bytes"], made["sha256"])
            its_manifest = Wanted(made["manifest"], made["manifest_bytes"], made["manifest_sha256"])
            sealed = {key: made[key] for key in ("program", "recipients", "at")} | {"asked": keys}
        return store.Offered(
            host=self.inventory_name(),
            backup=self._given["backup"],
            created=offer["created"],
            archive=archive,
            manifest=its_manifest,
            archive_sha256=offer["sha256"],
            suffix=offer["suffix"],
            files=offer["files"],
            sealed=sealed,
            machine=offer["machine"],
        )

    def _prune(self, home: Path, folder: Path, data: dict[str, Any]) -> None:
        there = index.entries_in(folder)
        staying, gone = self._plan(home, there, data["created"])
        try:
            kept.remove(folder, there, gone)
        except OSError as error:
            raise pull.written(error, folder)
        document.with_retention(data, there, staying, gone)

    def _plan(
        self, home: Path, there: list[index.Vaulted], current: str
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        verified = evidence.last_verified(home, self.inventory_name(), self._given["backup"])
        return kept.plan(there, self._given, current, verified)

    def _predicted(self, home: Path, folder: Path, keys: list[str]) -> dict[str, Any]:
        there = index.entries_in(folder)
        try:
            offer = self._offer(there)
        except UpkeepError as error:
            if error.code != "archive_missing":
                raise
            raise _Skipped("check mode: there is no archive yet; the backup would make it first")
        is_there = _same(there, offer, keys, self._given["program"]) is not None
        data = document.predicted(offer, self._given["backup"], is_there)
        if not is_there:
            there = [_to_come(self.inventory_name(), self._given["backup"], offer), *there]
        document.with_retention(data, there, *self._plan(home, there, offer["created"]))
        return {"changed": not is_there or bool(data["removed"]), "data": data, **self._diff(data)}

    def _diff(self, data: dict[str, Any]) -> dict[str, Any]:
        """A line an archive: `+` comes, `-` goes and why."""
        if not self._task.diff:
            return {}
        come = [] if data["unchanged"] else [f"+ {data['created']}, {data['bytes']} bytes"]
        go = [f"- {one['created']}, {one['bytes']} bytes: {one['why']}" for one in data["removed"]]
        return {"diff": [{"prepared": "\n".join([*come, *go]) + "\n"}]} if come or go else {}

    def _slice(self, path: str, offset: int) -> dict[str, Any]:
        return self._ask("archive_fetch", {"archive": path, "offset": offset, "slice": _SLICE}, lost=True)

    def _ask(self, module: str, given: dict[str, Any], lost: bool = False) -> dict[str, Any]:
        """A module's answer; with `lost` UpkeepError connection_lost where none came. Raises _Skipped, UpkeepError."""
        try:
            said = self._execute_module(f"proven.upkeep.{module}", module_args=given, task_vars=self.vars)  # type: ignore[no-untyped-call]
        except AnsibleConnectionFailure as error:
            if not lost:
                raise  # the host is unreachable, as it is for any other task
            raise UpkeepError("connection_lost", f"{self.inventory_name()}: the connection was lost ({error}).")
        answer: dict[str, Any] = plain(said)
        if answer.get("skipped"):
            raise _Skipped(answer.get("skip_reason") or "skipped")
        if answer.get("failed"):
            code = answer.get("error_code") or "pull_failed"
            raise UpkeepError(code, str(answer.get("msg") or "no answer from the host"))
        return answer


def _same(there: list[index.Vaulted], offer: Mapping[str, Any], keys: list[str], program: str) -> index.Vaulted | None:
    """What the vault has of it, sealed to the same keys."""
    for one in there:
        sealed = one.sealed or {}
        is_same = (one.archive_sha256, one.created) == (offer["sha256"], offer["created"])
        if is_same and sealed.get("asked", []) == keys and program in ("auto", sealed.get("program", program)):
            return one
    return None


def _to_come(host: str, backup: str, offer: Mapping[str, Any]) -> index.Vaulted:
    now = times.iso(times.now())
    digest = offer["sha256"]
    return index.Vaulted(host, backup, offer["created"], now, "(to come)", offer["bytes"], digest, digest)
