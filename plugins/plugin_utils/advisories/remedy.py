# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a host gets a fix: whether an update that brings it is pending, what is in its way, and the command. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import kernel, releases
from .host import Affected
from .match import Vulnerability, reaches

REBOOT = "systemctl reboot"
_NOT_OFFERED = "no update of this host brings it: refresh the package lists, and see whether its repository is enabled"


class Remedy(NamedTuple):
    """`pending`: whether a pending update reaches the fix; `blocked_by` as in a patch level, None where nothing is."""

    command: str | None
    pending: bool
    blocked_by: str | None = None
    blocked_detail: str | None = None


def remedy(level: Mapping[str, Any], release: str, affected: Affected, fixes: Sequence[Vulnerability]) -> Remedy:
    """For the vulnerabilities of one package that one update fixes. `fixes` are fixable, and of one fixing version."""
    family, fixed = releases.family(release), str(fixes[0].fixed)
    if affected.booted_next and reaches(family, affected.booted_next, fixed):
        return Remedy(REBOOT, False, None, "the fixed kernel is installed: it runs after a reboot")
    updates = [each for each in level.get("pending") or [] if _brings(each, affected, family, fixed)]
    manager = str(level.get("manager"))
    if not updates:
        return _not_pending(manager, affected, fixes)
    blocked: Mapping[str, Any] = next((each for each in updates if each.get("blocked_by")), {})
    names = _to_upgrade(level, affected, family) if affected.is_kernel else []
    # What comes along as a new dependency is not there to be upgraded.
    names = names or sorted({str(each["name"]) for each in updates if not each.get("new_dependency")})
    names = names or sorted({str(each["name"]) for each in updates})
    command = _command(manager, names, fixes)
    if affected.is_kernel and command:
        command = f"{command} && {REBOOT}"
    return Remedy(command, True, blocked.get("blocked_by"), blocked.get("blocked_detail"))


def _not_pending(manager: str, affected: Affected, fixes: Sequence[Vulnerability]) -> Remedy:
    offer = fixes[0].subscription
    if offer:
        command = f"pro enable {offer}" if offer.startswith("esm") else None
        return Remedy(command, False, "esm", f"the fix needs the subscription {offer}")
    refresh, command = _REFRESH.get(manager), _command(manager, affected.binaries, fixes)
    return Remedy(f"{refresh} && {command}" if refresh and command else command, False, None, _NOT_OFFERED)


def _brings(update: Mapping[str, Any], affected: Affected, family: str, fixed: str) -> bool:
    """Whether an update takes the package, or the kernel that it stands for, to the fixing version."""
    source, candidate = update.get("source_name") or update["name"], str(update.get("candidate"))
    if affected.is_kernel:
        # Ubuntu's metapackages have versions of their own, which say nothing of the kernel's.
        own = _is_kernel_update(family, update, affected) and not str(source).startswith("linux-meta")
        return own and reaches(family, candidate, fixed)
    if source == affected.source and reaches(family, str(update.get("source_version") or candidate), fixed):
        return True
    return update["name"] in affected.binaries and reaches(family, candidate, fixed)


def _to_upgrade(level: Mapping[str, Any], affected: Affected, family: str) -> list[str]:
    """The installed packages by whose upgrade the next kernel comes: metapackages, or the kernel itself."""
    return sorted(
        str(each["name"])
        for each in level.get("pending") or []
        if _is_kernel_update(family, each, affected) and not each.get("new_dependency")
    )


def _is_kernel_update(family: str, update: Mapping[str, Any], affected: Affected) -> bool:
    """A kernel of that source, or the metapackage that brings the next one (linux-image-amd64): not the headers."""
    name, source = str(update["name"]), str(update.get("source_name") or update["name"])
    if kernel.source_of(family, source) != affected.source:
        return False
    return kernel.is_image(family, name) or (family == "dpkg" and name.startswith("linux-image-"))


def _command(manager: str, names: Sequence[str], fixes: Sequence[Vulnerability]) -> str | None:
    make = _COMMANDS.get(manager)
    return make(names, fixes) if make and names else None


def _apt(names: Sequence[str], fixes: Sequence[Vulnerability]) -> str:
    return f"apt-get install --only-upgrade {' '.join(names)}"


def _dnf(names: Sequence[str], fixes: Sequence[Vulnerability]) -> str:
    advisory = fixes[0].advisory
    return f"dnf upgrade --advisory={advisory}" if advisory else f"dnf upgrade {' '.join(names)}"


def _zypper(names: Sequence[str], fixes: Sequence[Vulnerability]) -> str:
    cves = _cves(fixes)
    return f"zypper patch --cve={','.join(cves)}" if cves else f"zypper update {' '.join(names)}"


def _apk(names: Sequence[str], fixes: Sequence[Vulnerability]) -> str:
    return f"apk upgrade {' '.join(names)}"


def _cves(fixes: Iterable[Vulnerability]) -> list[str]:
    return sorted({each.id for each in fixes if each.id.startswith("CVE-")})


_COMMANDS: Mapping[str, Callable[[Sequence[str], Sequence[Vulnerability]], str]] = {
    "apt": _apt,
    "dnf": _dnf,
    "dnf5": _dnf,
    "zypper": _zypper,
    "apk": _apk,
}
_REFRESH = {"apt": "apt-get update", "dnf": "dnf makecache", "dnf5": "dnf makecache", "zypper": "zypper refresh",
            "apk": "apk update"}  # fmt: skip
