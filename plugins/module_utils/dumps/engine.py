# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The protocol of an engine: what each kind of database does in its own way."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional

from .model import Dump, Job


class Engine:
    """One kind of database. `take`, `test` and `load` raise Failed, `test` also Unavailable."""

    name = ""
    loads = True  # into the real server, without a person

    def check(self, dump: Dump) -> None:
        """Raises UpkeepError bad_parameter where the dump lacks what this engine needs."""

    def size(self, job: Job) -> Optional[int]:
        """About how many bytes the dump will take, where that can be known; else None."""
        return None

    def take(self, job: Job) -> Iterator[Dict[str, Any]]:
        """Dump into `job.folder`, and check what came: a `model.taken` for each file."""
        raise NotImplementedError

    def test(self, job: Job, items: List[Dict[str, Any]], scratch: str) -> Iterator[Dict[str, Any]]:
        """Load into a server of our own below `scratch`, never into the operator's: a `model.loaded` for each item."""
        raise NotImplementedError

    def occupied(self, job: Job, item: Dict[str, Any]) -> bool:
        """Whether loading it would replace data."""
        raise NotImplementedError

    def load(self, job: Job, item: Dict[str, Any], overwrite: bool) -> Dict[str, Any]:
        """Load into the real server: a `model.loaded`."""
        raise NotImplementedError
