# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking apt through python-apt's `apt_pkg`: one process, no text to parse. Only `Bindings` may touch `apt_pkg`."""

from __future__ import annotations

import re
from typing import Any, Mapping, Optional, Sequence, Tuple

from ..errors import UpkeepError
from ._apt_view import CONFIGURATION, Choice, Key, Paths, Plan, Step, Version, failed, has_cache_room
from ._deb822 import paragraph

try:
    import apt_pkg
except ImportError:
    apt_pkg = None

_PLACES = ("Dir::State::lists", "Dir::Cache::pkgcache", "Dir::Cache::srcpkgcache")


def available() -> bool:
    """Whether this interpreter has python-apt (Debian's belongs to the system's interpreter alone)."""
    return apt_pkg is not None


class Bindings:
    """`AptView` on apt_pkg. Opening it reads the package cache, which is most of the time that a collection takes."""

    collector = "bindings"

    def __init__(self) -> None:
        try:
            apt_pkg.init()
            self._native = apt_pkg.config.find("APT::Architecture")
        except Exception as error:
            raise _broken(error)
        self.apt_version: str = apt_pkg.VERSION
        self._opened: Any = None
        self._planned = False
        self._paths = self._read_paths()
        self._places = tuple(apt_pkg.config.find(name) for name in _PLACES)

    def paths(self) -> Paths:
        return self._paths

    def use(self, excerpt: Optional[Tuple[str, str]]) -> None:
        self._opened, self._planned = None, False
        for name, value in zip(_PLACES, (*excerpt, "") if excerpt else self._places):
            apt_pkg.config.set(name, value)

    def _read_paths(self) -> Paths:
        config = apt_pkg.config
        return Paths(
            status=config.find_file("Dir::State::status"),
            lists=config.find_dir("Dir::State::lists"),
            state=config.find_dir("Dir::State"),
            extended_states=config.find_file("Dir::State::extended_states"),
            archives=config.find_dir("Dir::Cache::archives"),
            sourcelist=config.find_file("Dir::Etc::sourcelist"),
            sourceparts=config.find_dir("Dir::Etc::sourceparts"),
            pkgcache=config.find_file("Dir::Cache::pkgcache"),
            native=self._native,
            allow_insecure=config.find_b("Acquire::AllowInsecureRepositories"),
            configuration=tuple(
                (config.find_dir if name.endswith("parts") else config.find_file)(f"Dir::Etc::{name}")
                for name in CONFIGURATION
            ),
            solver=config.find("APT::Solver"),
            suggests=config.find_b("APT::Install-Suggests"),
            default_release=config.find("APT::Default-Release"),
        )

    def plan(self, full: bool) -> Plan:
        cache, depcache = self._open()
        try:
            if self._planned:
                depcache.init()
            self._planned = True
            if depcache.broken_count:
                return Plan(refused=True)
            depcache.upgrade(full)
        except Exception as error:
            raise _broken(error)
        plan = Plan()
        installed: list[Any] = []
        others: list[Any] = []
        for package in cache.packages:
            (installed if package.current_ver is not None else others).append(package)
        for package in installed:
            if depcache.marked_delete(package):
                plan.remove[_key(package)] = package.current_ver.ver_str
            elif depcache.marked_upgrade(package) or depcache.marked_downgrade(package):
                plan.install[_key(package)] = _step(depcache, package, package.current_ver.ver_str)
        # A hundred thousand names that nobody installed: asked only if the count says that some would come new.
        if depcache.inst_count > len(plan.install):
            for package in others:
                # apt-get drops what came along for something that was then kept back; the library leaves that to it.
                if depcache.marked_install(package) and not depcache.is_garbage(package):
                    plan.install[_key(package)] = _step(depcache, package, None)
        return plan

    def choices(self, keys: Sequence[Key]) -> dict[Key, Choice]:
        cache, depcache = self._open()
        policy = depcache.policy
        found = {}
        for key in keys:
            package = _lookup(cache, key)
            if package is None:
                continue
            # The policy's candidate: the depcache's own is what its plan made of it.
            candidate = policy.get_candidate_ver(package)
            versions = tuple(
                Version(
                    version.ver_str,
                    policy.get_priority(version),
                    tuple(sorted(file.filename for file, _index in version.file_list if not file.not_source)),
                )
                for version in package.version_list
            )
            found[key] = Choice(candidate.ver_str if candidate is not None else None, versions)
        return found

    def records(self, wanted: Sequence[Tuple[Key, str]]) -> dict[Tuple[Key, str], Mapping[str, str]]:
        cache, _depcache = self._open()
        offers = []
        for key, version in wanted:
            package = _lookup(cache, key)
            for candidate in package.version_list if package is not None else ():
                files = [entry for entry in candidate.file_list if not entry[0].not_source]
                if candidate.ver_str == version and files:
                    offers.append((files[0][0].id, candidate.id, files[0], (key, version)))
                    break
        # In the order of the files: apt's lists are compressed, and stepping back means inflating them from the start.
        reader = apt_pkg.PackageRecords(cache)
        found: dict[Tuple[Key, str], Mapping[str, str]] = {}
        for _file, _version, place, name in sorted(offers, key=lambda offer: offer[:2]):
            if reader.lookup(place):
                found[name] = paragraph(reader.record)
        return found

    def close(self) -> None:
        self._opened = None

    def _open(self) -> Any:
        if self._opened is None:
            try:
                if not has_cache_room(apt_pkg.config.find_file("Dir::Cache::pkgcache")):
                    for name in ("Dir::Cache::pkgcache", "Dir::Cache::srcpkgcache"):
                        apt_pkg.config.set(name, "")  # apt builds them in memory
                apt_pkg.init_system()
                cache = apt_pkg.Cache(None)
                self._opened = (cache, apt_pkg.DepCache(cache))
            except Exception as error:
                raise _broken(error)
        return self._opened


def _step(depcache: Any, package: Any, installed: Optional[str]) -> Step:
    candidate = depcache.get_candidate_ver(package)
    return Step(installed, candidate.ver_str, candidate.arch)


def _key(package: Any) -> Key:
    return (package.name, package.architecture)


def _lookup(cache: Any, key: Key) -> Any:
    try:
        return cache[key]
    except KeyError:
        return None


def _broken(error: Exception) -> UpkeepError:
    # apt_pkg puts all of apt's complaints into one line: "E:first, W:second"
    first = re.split(r", [EW]:", str(error).replace("\n", " "))[0]
    return failed(re.sub(r"^[EW]:", "", first).strip(" .") or type(error).__name__)
