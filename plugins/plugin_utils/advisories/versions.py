# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of two package versions is the newer one, in the ordering of the distribution that they come from.

The orderings of dpkg, rpm and alpm (pacman) are univers's. apk's is here: univers takes Gentoo's for it, which knows
none of `_git20240101`, `~c0ffee` and a leading zero in the first number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cmp_to_key, lru_cache
from typing import Any

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

_READABLE = re.compile(r"[!-~]{1,500}")


def compare(family: str, a: str, b: str) -> int:
    """-1, 0 or 1, as `a` is older than, the same as, or newer than `b`. Raises as `key` does."""
    first, second = key(family, a), key(family, b)
    return int(first > second) - int(first < second)


@lru_cache(maxsize=2**16)
def key(family: str, version: str) -> Any:
    """An object that sorts as `version` does among those of its family: dpkg, rpm, apk or alpm.

    `version` is whole: `[epoch:]version[-release]`; no epoch is epoch 0. Keys of two families cannot be compared, and
    a key cannot be hashed. Raises UpkeepError `version_unreadable`, `version_family_unknown`, `univers_missing`.
    """
    make = _KEYS.get(family)
    if make is None:
        raise UpkeepError(
            "version_family_unknown", f"No version ordering is called {family!r}; there are {', '.join(_KEYS)}."
        )
    try:
        if not _READABLE.fullmatch(version):
            raise ValueError(version)
        return make(version)
    except ValueError:
        raise UpkeepError(
            "version_unreadable", f"{version[:80]!r} is no version of a {family} package.", version=version
        )


def _dpkg(version: str) -> Any:
    ordering = _univers("debian")
    return cmp_to_key(ordering.compare_version_objects)(ordering.Version.from_string(version))


def _rpm(version: str) -> Any:
    ordering = _univers("rpm")
    return cmp_to_key(ordering.compare_rpm_versions)(ordering.RpmVersion.from_string(version))


def _alpm(version: str) -> Any:
    return cmp_to_key(_univers("arch").vercmp)(version)


def _univers(name: str) -> Any:
    """A module of univers, imported when first needed: only matching needs it."""
    try:
        from importlib import import_module

        return import_module(f"univers.{name}")
    except ImportError:
        raise UpkeepError(
            "univers_missing",
            "The Python library univers is missing on the controller; it compares package versions: "
            "`pip install univers`, or `make` sets up a .venv that has it.",
        )


# apk: number{.number}{letter}{_suffix{number}}{~hash}{-r number}, after apk-package(5), and apk-tools' src/version.c
# for what a longer version is next to a shorter one. What ends first stands at _END.
_PRE, _END, _REVISION, _HASH, _SUFFIX_NUMBER, _POST, _LETTER, _NUMBER = range(8)
_SUFFIXES = {
    **{word: (_PRE, place) for place, word in enumerate(("alpha", "beta", "pre", "rc"))},
    **{word: (_POST, place) for place, word in enumerate(("cvs", "svn", "git", "hg", "p"))},
}
_APK = re.compile(r"(\d+)((?:\.\d+)*)([a-z]?)((?:_[a-z]+\d*)*)(?:~([0-9a-f]+))?(?:-r(\d+))?", re.ASCII)
_SUFFIX = re.compile(r"_([a-z]+)(\d*)")


def _apk(version: str) -> tuple[Any, ...]:
    match = _APK.fullmatch(version)
    if match is None:
        raise ValueError(version)
    first, numbers, letter, suffixes, commit, revision = match.groups()
    parts: list[tuple[Any, ...]] = [(_NUMBER, True, int(first), "")]
    for digits in numbers.split(".")[1:]:
        # A number with a leading zero is a fraction: 1.02 is older than 1.1.
        parts.append((_NUMBER, False, 0, digits) if digits[0] == "0" else (_NUMBER, True, int(digits), ""))
    if letter:
        parts.append((_LETTER, letter))
    for word, digits in _SUFFIX.findall(suffixes):
        if word not in _SUFFIXES:
            raise ValueError(version)
        parts.append(_SUFFIXES[word])
        if digits:
            parts.append((_SUFFIX_NUMBER, int(digits)))
    if commit:
        parts.append((_HASH, commit))
    if revision:
        parts.append((_REVISION, int(revision)))
    return (*parts, (_END,))


_KEYS: Mapping[str, Callable[[str], Any]] = {"dpkg": _dpkg, "rpm": _rpm, "apk": _apk, "alpm": _alpm}
