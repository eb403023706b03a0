# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is worse than before, of two looks at a host (`snapshot`). Nothing that changes on a healthy host counts."""

from __future__ import annotations

from typing import Any, Collection, Dict, Iterator, List, Mapping, Set, Tuple

Problem = Dict[str, str]
# They run now and then, by the network or by a lock that is held, and their failing says nothing of the update.
_NOW_AND_THEN = {
    "apt-daily.service", "apt-daily-upgrade.service", "dnf-makecache.service", "fwupd-refresh.service",
    "motd-news.service", "packagekit.service", "packagekit-offline-update.service", "apt-news.service",
    "esm-cache.service",
}  # fmt: skip
# They take any port that is free, and another one after each start.
_ANY_PORT = {"rpc.statd", "rpc.mountd", "rpc.rquotad", "ypbind", "rpcbind"}
# They send each question from another UDP port, above the reserved ones.
_RESOLVERS = {"unbound", "named", "pdns_recursor", "dnsmasq", "kresd", "systemd-resolved", "systemd-resolve"}
_RESERVED = 1024


def problems(
    before: Mapping[str, Any], after: Mapping[str, Any], named_ports: Collection[int] = ()
) -> Iterator[Problem]:
    """`unit_failed`, `unit_gone`, `port_closed` as {"code","message"}, of units with "unit".

    `named_ports` count whatever their number. For a `unit_gone` there may be an excuse (`snapshot.excused`).

    What either look could not see is not compared.
    """
    yield from _units(before["units"], after["units"])
    yield from _ports(before, after, named_ports)


def crashing(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> List[str]:
    """The units that systemd started again between two looks, since they had ended by themselves."""
    known = earlier["units"].get("restarts") or {}
    return sorted(
        unit for unit, number in (later["units"].get("restarts") or {}).items() if number > known.get(unit, 0)
    )


def _units(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Problem]:
    if not (before.get("seen") and after.get("seen")):
        return
    failed = set(after["failed"]) - set(before["failed"]) - _NOW_AND_THEN
    for unit in sorted(failed):
        yield {
            "code": "unit_failed",
            "unit": unit,
            "message": f"{unit} has failed, which it had not before; journalctl -u {unit} says why.",
        }
    there = {*after["active"], *after.get("on_demand", ()), *after["failed"]}
    for unit in sorted(set(before["active"]) - there):
        yield {
            "code": "unit_gone",
            "unit": unit,
            "message": f"{unit} was active before and is not now; systemctl status {unit} says more.",
        }


def _ports(before: Mapping[str, Any], after: Mapping[str, Any], named: Collection[int]) -> Iterator[Problem]:
    first, last = before.get("ephemeral") or (32768, 60999)
    told: Set[Tuple[str, int]] = set()
    now = _addresses(after)
    was = _addresses(before)
    for entry in before["listening"]:
        key = (entry["proto"], entry["port"])
        if key in told or (entry["port"] not in named and (first <= entry["port"] <= last or _wanders(entry))):
            continue
        told.add(key)
        who = entry.get("process") or "a program that could not be seen"
        who += f", {entry['unit']}" if entry.get("unit") else ""
        if key not in now:
            message = f"{key[0]} port {key[1]} ({who}) was listened on before and is not now."
        elif _local(now[key]) and not _local(was[key]):
            message = f"{key[0]} port {key[1]} ({who}) was open to other hosts before and is only to this one now."
        else:
            continue
        yield {"code": "port_closed", "message": message}


def _addresses(look: Mapping[str, Any]) -> Dict[Tuple[str, int], Set[str]]:
    found: Dict[Tuple[str, int], Set[str]] = {}
    for entry in look["listening"]:
        found.setdefault((entry["proto"], entry["port"]), set()).add(entry["address"])
    return found


def _local(addresses: Set[str]) -> bool:
    return all(address == "::1" or address.startswith("127.") for address in addresses)


def _wanders(entry: Mapping[str, Any]) -> bool:
    """Whether a healthy host may not have this one on a second look."""
    process, unit = entry.get("process"), entry.get("unit") or ""
    # A forwarded port or display belongs to somebody's login, and ends with it.
    if unit.startswith("session-"):
        return True
    if process in _ANY_PORT:
        return entry["port"] != 111  # rpcbind's own
    return process in _RESOLVERS and entry["proto"] == "udp" and entry["port"] >= _RESERVED
