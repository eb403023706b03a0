# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is to rebuild a lost host from."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import times
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import locks
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import UpkeepAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies import files, places, take
from ansible_collections.proven.upkeep.plugins.plugin_utils.copies.store import Store
from ansible_collections.proven.upkeep.plugins.plugin_utils.disaster import rebuild


class ActionModule(UpkeepAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "host": {"type": "str", "required": True},
        "sets": {"type": "list", "elements": "dict", "default": []},
        "only": {"type": "list", "elements": "str", "default": []},
        "from": {"type": "str", "default": places.FROM_VAULT},
        "copies": {"type": "list", "elements": "dict", "default": []},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "engine": {"type": "str", "default": "archive"},
        "in_place": {"type": "list", "elements": "str", "default": []},
        "machine_id": {"type": "str"},
        "rebuild": {"type": "bool", "default": False},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The sets that the inventory knows, and those that lie there. One that does not is told when it is taken."""
        home, name, host = self.home(), arguments["from"], arguments["host"]
        if not self.check:
            locks.sweep(rebuild.folders(home))  # what a killed drill left there is not encrypted
        if name == places.FROM_VAULT:
            place: Any = nullcontext(places.vault(home))
        else:
            place = places.opened(places.named(arguments["copies"], name), arguments["secrets"], home)
        with place as store:
            there = take.sets_of(store, host)
            if arguments["machine_id"] and not arguments["rebuild"]:
                _refuse_the_lost_machine(store, host, there, arguments["machine_id"], self.inventory_name())
        known = {str(one.get("name")): one for one in arguments["sets"] if one.get("name") not in (None, "workflows")}
        every = [known.get(each, {"name": each}) for each in sorted({*there, *known})]
        chosen = [one for one in every if not arguments["only"] or one["name"] in arguments["only"]]
        missing = sorted(set(arguments["only"]) - {one["name"] for one in every})
        if missing or not chosen:
            raise UpkeepError(
                "vault_missing",
                f"{store.place} has no set {', '.join(missing) or 'at all'} of {host}; it has "
                f"{', '.join(there) or 'nothing of that host'}.",
            )
        unknown = sorted(set(arguments["in_place"]) - {one["name"] for one in every})
        if unknown:
            raise UpkeepError(
                "bad_parameter",
                f"in_place: {host} has no set {', '.join(unknown)}; it has "
                f"{', '.join(str(one['name']) for one in every)}. Correct disaster_in_place.",
                option="in_place",
            )
        restic = [
            one for one in chosen if (one.get("engine") or arguments["engine"]) == "restic" and one["name"] not in there
        ]
        return {
            "sets": [one for one in chosen if one not in restic],
            "restic": restic,
            "place": store.place,
            "started": times.iso(times.now()),
        }


def _refuse_the_lost_machine(store: Store, host: str, sets: list[str], machine_id: str, drill_host: str) -> None:
    """Under another inventory name it would be written over all the same. Raises UpkeepError `drill_on_lost_host`."""
    for name in sets:
        newest = next(iter(files.there(store, host, name).entries), None)
        if newest and (newest.machine or {}).get("machine_id") == machine_id:
            raise UpkeepError(
                "drill_on_lost_host",
                f"{drill_host} is {host} itself by another name: the newest archive of {name} was made on this very "
                f"machine (machine id {machine_id}), and a drill would write over what it is to be rebuilt from. "
                "Choose another machine, or say disaster_rebuild=true where it was lost and restored as it was.",
            )
