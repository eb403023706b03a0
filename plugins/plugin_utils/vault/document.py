# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`upkeep.vault/1`: what came of bringing a set's archive to the controller. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils import times

from . import index, kept
from .pull import Pulled

SCHEMA = "upkeep.vault/1"


def of_entry(entry: index.Vaulted, pulled: Pulled | None, way: str | None, began: datetime) -> dict[str, Any]:
    """With `pulled` None the vault had it already. `archive` is relative to `upkeep_home`."""
    now = times.now()
    went = pulled or Pulled()
    return {
        "schema": SCHEMA,
        "backup": entry.backup,
        "archive": f"{index.VAULT}/{index.relative(entry.host, entry.backup)}/{entry.archive}",
        "created": entry.created,
        "archive_sha256": entry.archive_sha256,
        "sha256": entry.sha256,
        "bytes": entry.bytes,
        "files": entry.files,
        "sealed": entry.sealed,
        "pulled_bytes": went.bytes,
        "resumed_from": went.resumed_from,
        "connections": went.connections,
        "way": way,
        "bytes_per_s": int(went.bytes / went.seconds) if went.seconds and went.bytes else None,
        "unchanged": pulled is None,
        "predicted": False,
        "status": "ok",
        "reason": None,
        "started": times.iso(began),
        "finished": times.iso(now),
        "duration_ms": int((now - began).total_seconds() * 1000),
    }


def predicted(offer: Mapping[str, Any], backup: str, is_there: bool) -> dict[str, Any]:
    """Of check mode: what would be brought (its size before any encryption)."""
    return {
        "schema": SCHEMA,
        "backup": backup,
        "created": offer["created"],
        "archive_sha256": offer["sha256"],
        "bytes": offer["bytes"],
        "files": offer["files"],
        "unchanged": is_there,
        "predicted": True,
        "status": "ok",
        "reason": None,
    }


def with_retention(
    document: dict[str, Any],
    there: Sequence[index.Vaulted],
    staying: Sequence[Mapping[str, Any]],
    gone: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What stays, as a sum, and what went, with why; and what of it is of the future (`kept.ahead`)."""
    stays = {one["archive"] for one in staying}
    document["ahead"] = kept.ahead([one for one in there if one.archive in stays], times.now())
    document["kept"] = kept.summary(staying)
    document["removed"] = [dict(one) for one in gone]
    return document
