# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rebuild one set of a lost host on this one: take its archive, hand it over, restore, compare, load, check."""

from __future__ import annotations

import gzip
import os
import shlex
import shutil
import zlib
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import atomic
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import locks, names
from ansible_collections.proven.upkeep.plugins.plugin_utils._drill_host import DrillHostAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies import places, take
from ansible_collections.proven.upkeep.plugins.plugin_utils.disaster import rebuild

# In an archive with databases this folder holds their dumps; backup_restore leaves it out.
_DUMPS = b'".upkeep-dumps/'
# How long one drill waits for another that is at the same set on the same drill host.
_PATIENCE_S = 60


class ActionModule(DrillHostAction):
    """See the documentation of the module of this name."""

    TRANSFERS_FILES = True
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "host": {"type": "str", "required": True},
        "backup": {"type": "str", "required": True},
        "from": {"type": "str", "default": places.FROM_VAULT},
        "at": {"type": "str"},
        "dest": {"type": "path"},
        "dumps": {"type": "list", "elements": "dict", "default": []},
        "load": {"type": "bool", "default": True},
        "load_as": {"type": "str", "choices": ["administrator", "dumps"], "default": "administrator"},
        "checks": {"type": "list", "elements": "raw", "default": []},
        "identity": {"type": "str"},
        "copies": {"type": "list", "elements": "dict", "default": []},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The set's document, whatever came of it; in check mode what there is to rebuild it from."""
        self.given = arguments
        home = self.home()
        told = rebuild.Rebuild(arguments["backup"], arguments["dest"])
        # Of this set and drill host, so that two drills do not meet in it.
        folder = rebuild.folders(home) / names.encode(f"{self.inventory_name()} {arguments['backup']}")
        try:
            with ExitStack() as held:
                lock = locks.exclusive(folder.with_name(f"{folder.name}.lock"), patience_s=_PATIENCE_S)
                told.step("take", lambda: held.enter_context(lock))
                held.callback(shutil.rmtree, folder, ignore_errors=True)
                if arguments["load"] and told.dest and not self.check:
                    held.callback(self._remove_dumps, told.dest)
                self._rebuild(told, home, folder)
        except UpkeepError as error:
            told.facts.update(error.details.get("facts") or {})
            failure = {"failed": True, "error_code": error.code, "msg": error.message}
            return {"changed": True, **failure, "data": told.document()}
        finally:
            if self._connection._shell.tmpdir:
                self._remove_tmp_path(self._connection._shell.tmpdir)  # type: ignore[no-untyped-call]
        return {"changed": not self.check, "data": told.document()}

    def _rebuild(self, told: rebuild.Rebuild, home: Path, folder: Path) -> None:
        taken = told.step("take", lambda: self._take(told, home, folder))
        if taken is None:  # check mode
            return
        files = told.step("hand_over", lambda: self._handed_over([taken.archive, taken.manifest]))
        archive: dict[str, Any] = {"archive": files[0], **({"manifest": files[1]} if len(files) > 1 else {})}
        place = {**archive, "overwrite": "always", **({"dest": told.dest} if told.dest else {})}
        facts = told.step("restore", lambda: rebuild.restored(self.ask("backup_restore", place)))
        told.facts.update(facts)
        load = rebuild.to_load(self.given["dumps"], self.given["load_as"] == "administrator")
        loads = self.given["load"] and load.any
        same = told.step("compare", lambda: rebuild.compared(self.ask("backup_restore", place, dry=True), loads))
        told.facts.update(same)
        unnamed = [] if self.given["dumps"] or not _has_dumps(taken.manifest) else [rebuild.NOT_NAMED]
        left = [*load.left, *unnamed] if self.given["load"] else []
        told.facts["not_restored"] = [*facts["not_restored"], *left]
        if loads:
            asked = {**archive, **load.parameters, "secrets": self.given["secrets"], "overwrite": "always"}
            told.facts.update(told.step("databases", lambda: rebuild.loaded(self.ask("backup_load", asked))))
        if self.given["checks"]:
            check = {"checks": self.given["checks"], "folder": facts["dest"] or "/"}
            told.facts.update(told.step("checks", lambda: rebuild.checked(self.ask("restore_checks", check))))

    def _take(self, told: rebuild.Rebuild, home: Path, folder: Path) -> take.Taken | None:
        name, identity = self.given["from"], self.given["identity"]
        place: Any = (
            nullcontext(places.vault(home))
            if name == places.FROM_VAULT
            else places.opened(places.named(self.given["copies"], name), self.given["secrets"], home)
        )
        with place as store:
            entry = take.find(store, self.given["host"], told.backup, self.given["at"], name)
            if name != places.FROM_VAULT:
                take.check_origin(home, entry)
            told.entry = entry.document()
            key = home / Path(identity).expanduser() if identity else None
            if self.check:
                atomic.make_folder(str(folder))  # never in /tmp: the manifest is plain once it is opened
                needed = take.restored_bytes(store, entry, folder, key)
                rooms = [self.room("restore", needed, told.dest or "/")]
                if self._connection.transport != "local":
                    rooms.append(self.room("hand_over", entry.bytes, self._connection._shell.tmpdir or "/tmp"))
                told.facts.update(bytes_needed=needed, bytes_free=rooms[0]["free"], rooms=rooms)
                return None
            taken = take.take(store, entry, folder, key)
        told.facts["opened_with"] = taken.opened_with
        return taken

    def _remove_dumps(self, dest: str) -> None:
        """Databases in plain, which the archive has, too: nothing is to stay, nor to meet another set's."""
        with suppress(UpkeepError):  # of a host that is away it has been told already
            command = f"rm -rf -- {shlex.quote(os.path.join(dest, '.upkeep-dumps'))}"
            self.reached(lambda: self._low_level_execute_command(command, sudoable=True))  # type: ignore[no-untyped-call]

    def _handed_over(self, paths: list[Path | None]) -> list[str]:
        """Where the files lie on the drill host; as they are where that is this machine."""
        files = [str(path) for path in paths if path]
        if self._connection.transport == "local":
            return files
        return self.reached(lambda: self._sent(files))  # type: ignore[no-any-return]

    def _sent(self, files: list[str]) -> list[str]:
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()  # type: ignore[no-untyped-call]
        folder = self._connection._shell.tmpdir
        there = [self._connection._shell.join_path(folder, os.path.basename(file)) for file in files]
        for here, place in zip(files, there):
            self._transfer_file(here, place)  # type: ignore[no-untyped-call]
        self._fixup_perms2((folder, *there), execute=False)  # type: ignore[no-untyped-call]
        return there


def _has_dumps(manifest: Path | None) -> bool:
    """Whether the archive holds dumps, by a look at the names in its manifest."""
    if manifest is None:
        return False
    try:
        with gzip.open(manifest) as lines:
            return any(_DUMPS in line for line in lines)
    except (OSError, EOFError, zlib.error):
        return False  # the restore has said so already
