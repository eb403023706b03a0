# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the index says of a host, from its patch level. The same for one host and for a stream of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from . import kernel, releases
from .match import Found, Key, Matcher, Vulnerability

# The manager's words for what is not there any more, though it is listed.
_GONE = {"config-files", "not-installed"}
# Their binary packages have versions of their own, and advisories speak of these.
_BY_BINARY = {"rpm"}


class Affected(NamedTuple):
    """A source package of a host that has vulnerabilities; `binaries` are the installed packages that it is in.

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
    installed = _by_source(level["installed"], family)
    running, problem = kernel.running(level, family)
    problems = [problem] if problem else []
    wanted = {each: _keys(each, binaries, release, family) for each, binaries in installed.items()}
    if running is not None:
        wanted[_Installed(running.source, running.version, None)] = _kernel_keys(running, level, release, family)
    found = matcher.found(key for keys in wanted.values() for key in keys)
    unreadable = sorted({key.package for keys in wanted.values() for key in keys if key not in found})
    if unreadable:
        problems.append(f"the versions of {len(unreadable)} packages cannot be read: {', '.join(unreadable[:5])}")
    affected = []
    for each, keys in wanted.items():
        vulnerabilities = _together(found[key] for key in keys if key in found)
        if not vulnerabilities:
            continue
        if running is not None and each == (running.source, running.version, None):
            names = _kernel_binaries(running, level, family)
            affected.append(Affected(*each[:2], names, vulnerabilities, True, running.booted_next))
        else:
            affected.append(Affected(*each[:2], tuple(sorted(installed[each])), vulnerabilities, module=each.module))
    return HostMatch(release, sorted(affected, key=lambda each: each[:3]), problems)


def match_fleet(levels: Iterable[tuple[str, Mapping[str, Any]]], matcher: Matcher) -> Iterator[tuple[str, HostMatch]]:
    """Each (host, patch level) of a stream. Memory grows with the distinct packages, not with the hosts."""
    for host, level in levels:
        yield host, match_host(level, matcher)


class _Installed(NamedTuple):
    source: str
    version: str
    module: str | None


def _by_source(installed: Iterable[Mapping[str, Any]], family: str) -> dict[_Installed, dict[str, str]]:
    """(source, its version, module) -> its binary packages with their versions; no kernels."""
    found: dict[_Installed, dict[str, str]] = {}
    kernels: dict[str, bool] = {}
    for package in installed:
        if package.get("state") in _GONE:
            continue
        name, version = package["name"], package["version"]
        source = package.get("source_name") or name
        if source not in kernels:
            kernels[source] = kernel.source_of(family, source) is not None
        if not kernels[source]:
            each = _Installed(source, package.get("source_version") or version, package.get("module"))
            found.setdefault(each, {})[name] = version
    return found


def _keys(each: _Installed, binaries: Mapping[str, str], release: str, family: str) -> list[Key]:
    keys = [Key(release, "source", *each)]
    if family in _BY_BINARY:
        keys += [Key(release, "binary", name, version, each.module) for name, version in binaries.items()]
    return keys


def _kernel_keys(running: kernel.Running, level: Mapping[str, Any], release: str, family: str) -> list[Key]:
    keys = [Key(release, "source", running.source, running.version)]
    if family in _BY_BINARY:
        names = _kernel_binaries(running, level, family)
        keys += [Key(release, "binary", name, running.version) for name in names]
    return keys


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
    several = [each for each in found if each]
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
