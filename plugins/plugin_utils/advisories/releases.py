# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The release that advisories speak of, from what a host says of itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

# os-release ID -> how much of VERSION_ID the distribution's advisories go by, and its version ordering.
_MAJOR = 1
_MINOR = 2
_RELEASES: Mapping[str, tuple[int, str]] = {
    "debian": (_MAJOR, "dpkg"),
    "ubuntu": (_MINOR, "dpkg"),
    "rhel": (_MAJOR, "rpm"),
    "almalinux": (_MAJOR, "rpm"),
    "rocky": (_MAJOR, "rpm"),
    "sles": (_MINOR, "rpm"),
    "sles_sap": (_MINOR, "rpm"),
    "opensuse-leap": (_MINOR, "rpm"),
    "alpine": (_MINOR, "apk"),
}
# They use another's packages under that one's version numbers.
_SAME_AS = {"sles_sap": "sles"}


def key(os_id: str | None, os_version: str | None) -> str | None:
    """`debian:12`, `ubuntu:22.04`, `rhel:9`, `sles:15.6`, `alpine:3.19`; None where no source speaks of it.

    `os_id` and `os_version` are os-release's ID and VERSION_ID. A Debian without a version (testing) has none.
    """
    if not os_id or not os_version or os_id not in _RELEASES:
        return None
    parts, _family = _RELEASES[os_id]
    numbers = os_version.split(".")[:parts]
    if len(numbers) < parts or not all(number.isdigit() for number in numbers):
        return None
    return f"{_SAME_AS.get(os_id, os_id)}:{'.'.join(numbers)}"


def validated(text: str) -> str:
    """`text` if it is a release's key. Raises UpkeepError `bad_release`."""
    os_id, _colon, version = text.partition(":")
    if key(os_id, version) != text:
        known = ", ".join(sorted(set(_RELEASES) - set(_SAME_AS)))
        raise UpkeepError(
            "bad_release",
            f"advisories_releases: {text!r} is none that advisories go by: give a distribution of {known} and its "
            "version, such as debian:12, rhel:9, ubuntu:22.04 or alpine:3.22.",
        )
    return text


def family(release: str) -> str:
    """The version ordering of a release's packages: dpkg, rpm or apk."""
    return _RELEASES[release.partition(":")[0]][1]


def of_os(release: str) -> str:
    """The os-release ID in a release's key."""
    return release.partition(":")[0]
