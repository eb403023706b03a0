# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the index says of a host, from its patch level. The same for one host and for a stream of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from . import kernel, releases
from .match import Found, Key, Matcher, Vulnerability

# The manager's words for what is not there any more, though it is listed.
_GONE = {"config-files", "not-installed"}
# Their binary packages have versions of their own, and advisories speak of these.
_BY_BINARY = {"rpm"}


class Affected(NamedTuple):
    """A source package of a host that has vulnerabilities; `binaries`: those of its installed packages that have any.

    `booted_next`: of the kernel, the version that a reboot would start, where that is another one.
    """

    source: str
    version: str
    binaries: tuple[str, ...]
    vulnerabilities: Found
    is_kernel: bool = False
    booted_next: str | None = None
    module: str | None = None


class HostMatch(NamedTuple):
    """`problems`: what could not be judged and why, a sentence each. With a problem, nothing found is not clean."""

    release: str | None
    affected: list[Affected]
    problems: list[str]


def match_host(level: Mapping[str, Any], matcher: Matcher) -> HostMatch:
    """A host's `upkeep.patch_level/1` against the index. Raises UpkeepError `univers_missing`."""
    host = level.get("host") or {}
    system = f"{host.get('os_id') or 'a system of no name'} {host.get('os_version') or ''}".strip()
    release = releases.key(host.get("os_id"), host.get("os_version"))
    if release is None:
        return HostMatch(None, [], [f"no advisory source speaks of {system}"])
    if not matcher.covers(release):
        return HostMatch(release, [], [f"the advisory index says nothing of {system}: let it take in {release}"])
    if level.get("installed") is None:
        return HostMatch(release, [], ["the patch level does not say what is installed"])
    family = releases.family(release)
    found, unreadable = _of_packages(level["installed"], release, matcher)
    running, problem = kernel.running(level, family)
    problems = [problem] if problem else []
    if running is not None:
        of_kernel = _of_kernel(running, level, release, matcher)
        if of_kernel is None:
            unreadable.append(running.source)
        elif of_kernel.vulnerabilities:
            found.append(of_kernel)
    if unreadable:
        names = sorted(set(unreadable))
        problems.append(f"the versions of {len(names)} packages cannot be read: {', '.join(names[:5])}")
    return HostMatch(release, sorted(found, key=lambda each: each[:3]), problems)


def match_fleet(levels: Iterable[tuple[str, Mapping[str, Any]]], matcher: Matcher) -> Iterator[tuple[str, HostMatch]]:
    """Each (host, patch level) of a stream. Memory grows with the distinct packages, not with the hosts."""
    for host, level in levels:
        yield host, match_host(level, matcher)


class _Package(NamedTuple):
    """What of an installed package decides what it is judged as."""

    name: str
    version: str
    source: str
    source_version: str
    module: str | None
    state: str


_FIELDS = ("name", "version", "source_name", "source_version", "module", "state")
_packages = itemgetter(*_FIELDS)


def _of_packages(
    installed: Iterable[Mapping[str, Any]], release: str, matcher: Matcher
) -> tuple[list[Affected], list[str]]:
    """(all but the kernels, the names of those whose version cannot be read)."""
    known = matcher.of_packages(release)
    try:
        packages = list(map(_packages, installed))
    except KeyError:  # recorded before there was such a field
        packages = [tuple(map(each.get, _FIELDS)) for each in installed]
    try:
        each_found = [known[package] for package in packages]
    except KeyError:
        new = {package for package in packages if package not in known}
        known.update(_judged({package: _keys(_filled(package), release) for package in new}, matcher))
        each_found = [known[package] for package in packages]
    grouped: dict[tuple[str, str, str | None], dict[str, Found]] = {}
    unreadable = []
    for package, found in zip(packages, each_found):
        if found:
            name, version, source, source_version, module, _state = package
            grouped.setdefault((source or name, source_version or version, module), {})[name] = found
        elif found is None:
            unreadable.append(package[0])
    affected = [
        Affected(source, version, tuple(sorted(binaries)), _together(binaries.values()), module=module)
        for (source, version, module), binaries in grouped.items()
    ]
    return affected, unreadable


def _judged(wanted: Mapping[Any, list[Key]], matcher: Matcher) -> dict[Any, Found | None]:
    """Each package with what its keys have; None where one of them cannot be read."""
    found = matcher.found({key for keys in wanted.values() for key in keys})
    return {
        package: _together(found[key] for key in keys) if all(key in found for key in keys) else None
        for package, keys in wanted.items()
    }


def _filled(package: tuple[Any, ...]) -> _Package:
    name, version, source, source_version, module, state = package
    return _Package(name, version, source or name, source_version or version, module, state or "")


def _keys(package: _Package, release: str) -> list[Key]:
    """What is asked of the index: nothing of a kernel, of which the running one is asked apart."""
    family = releases.family(release)
    if package.state in _GONE or kernel.source_of(family, package.source) is not None:
        return []
    keys = [Key(release, "source", package.source, package.source_version, package.module)]
    if family in _BY_BINARY:
        keys.append(Key(release, "binary", package.name, package.version, package.module))
    return keys


def _of_kernel(running: kernel.Running, level: Mapping[str, Any], release: str, matcher: Matcher) -> Affected | None:
    family = releases.family(release)
    names = _kernel_binaries(running, level, family)
    keys = [Key(release, "source", running.source, running.version)]
    if family in _BY_BINARY:
        keys += [Key(release, "binary", name, running.version) for name in names]
    found = _judged({running: keys}, matcher)[running]
    return None if found is None else Affected(*running[:2], names, found, True, running.booted_next)


def _kernel_binaries(running: kernel.Running, level: Mapping[str, Any], family: str) -> tuple[str, ...]:
    """The packages that hold the running kernel."""
    names = {
        str(package["name"])
        for package in level.get("installed") or []
        if package.get("version") == running.version
        and kernel.source_of(family, str(package.get("source_name"))) == running.source
        and kernel.is_image(family, str(package["name"]))
    }
    return tuple(sorted(names))


# Said of a source and of a binary: what can be fixed is fixable.
_STATES = {"fixable": 0, "unfixed": 1, "deferred": 2}


def _together(found: Iterable[Found]) -> Found:
    # Packages of one source mostly share what is said of it.
    several = list({id(each): each for each in found if each}.values())
    if len(several) < 2:
        return several[0] if several else ()
    best: dict[str, Vulnerability] = {}
    for vulnerability in (one for each in several for one in each):
        known = best.get(vulnerability.id)
        if known is None or _order(vulnerability) < _order(known):
            best[vulnerability.id] = vulnerability
    return tuple(best[name] for name in sorted(best))


def _order(vulnerability: Vulnerability) -> tuple[int, bool, str]:
    return _STATES[vulnerability.state], vulnerability.advisory is None, vulnerability.fixed or ""
