# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What rpm has installed, by `rpm -qa`: the same for dnf 4, dnf5 and zypper, whichever way these are asked.

rpm's own command, since its bindings belong to one interpreter only, and its database has three formats.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ..errors import UpkeepError
from ._rpmversion import evr_key
from ._run import run
from .model import CoreUpdate, Installed, KernelPackage

_TAGS = ("NAME", "ARCH", "EPOCHNUM", "VERSION", "RELEASE", "SOURCERPM", "INSTALLTIME", "MODULARITYLABEL", "VENDOR")
_FORMAT = "\\t".join(f"%{{{tag}}}" for tag in _TAGS) + "\\n"
_SOURCE = re.compile(r"^(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm$")
# Where its database lies: everywhere of old, SUSE since 15, Fedora since 36.
DATABASES = ("var/lib/rpm", "usr/lib/sysimage/rpm")
# What `needs-restarting -r` (dnf-plugins-core) asks a reboot for, the kernels apart, which are compared by themselves.
_CORE = (
    *("glibc", "systemd", "udev", "linux-firmware", "openssl-libs", "gnutls", "dbus", "dbus-broker", "dbus-daemon"),
    *("microcode_ctl", "ucode-intel", "ucode-amd", "kernel-firmware", "libopenssl3", "libopenssl1_1"),
)
_NO_KERNEL = re.compile(r"-(modules|devel|headers|doc|docs|tools|macros|source|firmware|srpm|syms)\b")
_UNAME = re.compile(r"^kernel(?:-[\w.]+)*-uname-r$")
_UNSATISFIED = re.compile(r"^\s*Unsatisfied dependencies for (\S+):$")
# What may be installed in several versions at a time.
_MANY = re.compile(r"^(kernel|kmod|gpg-pubkey)(-|$)|-kmp-")


@dataclass(frozen=True)
class RpmPackage:
    """A line of `rpm -qa`. `evr` has an epoch only where it is not zero; `installed_at` is seconds since the epoch."""

    name: str
    arch: str
    evr: str
    source_name: str
    source_version: str
    installed_at: int
    module: Optional[str] = None
    vendor: Optional[str] = None


def query(root: str = "/") -> List[RpmPackage]:
    """The installed packages of the system at `root`, without the public keys that rpm keeps among them.

    Raises UpkeepError `package_database_damaged` where rpm cannot read its database.
    """
    result = run([*_rpm(root), "-qa", "--qf", _FORMAT], allow=tuple(range(256)))
    if result.rc or "error:" in result.stderr:
        said = next((line for line in result.stderr.splitlines() if "error:" in line), "it does not say why")
        raise UpkeepError(
            "package_database_damaged",
            f"rpm cannot read its package database: {said}. `rpm --rebuilddb` may repair it, as root.",
        )
    return parse_query(result.stdout)


def parse_query(text: str) -> List[RpmPackage]:
    """The lines that `query` asks for, sorted by name, architecture and version."""
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) != len(_TAGS) or fields[0] == "gpg-pubkey":
            continue
        name, arch, epoch, version, release, source, installed_at, module, vendor = fields
        evr = f"{version}-{release}" if epoch in ("0", "(none)") else f"{epoch}:{version}-{release}"
        source_name, source_version = source_of(source, name, evr)
        found.append(
            RpmPackage(
                name=name,
                arch="" if arch == "(none)" else arch,
                evr=evr,
                source_name=source_name,
                source_version=source_version,
                installed_at=int(installed_at) if installed_at.isdecimal() else 0,
                module=module_of(module),
                vendor=None if vendor == "(none)" else vendor,
            )
        )
    return sorted(found, key=lambda package: (package.name, package.arch, evr_key(package.evr)))


def source_of(source_rpm: Optional[str], name: str, evr: str) -> Tuple[str, str]:
    """Source package and its version from a SOURCERPM tag, `bash-5.2.15-3.el9.src.rpm`; else the package's own.

    A source rpm's name has no epoch: a binary package's epoch is its source's, but for the rarest exceptions.
    """
    match = _SOURCE.match(source_rpm or "")
    if not match:
        return name, evr
    epoch, colon, _rest = evr.partition(":")
    return match.group(1), f"{epoch}:{match.group(2)}" if colon else match.group(2)


def module_of(label: str) -> Optional[str]:
    """`name:stream` of a MODULARITYLABEL, `nodejs:18:8090020240301:c0ffee`."""
    parts = label.split(":")
    return ":".join(parts[:2]) if len(parts) >= 2 and all(parts[:2]) else None


def installed_list(packages: Sequence[RpmPackage], auto: Set[Tuple[str, str]], held: Set[str]) -> List[Installed]:
    """The document's `installed`. A package that is there twice and should not is left over from an interrupted run."""
    newest = {(package.name, package.arch): package for package in packages}
    return [
        Installed(
            name=package.name,
            arch=package.arch,
            version=package.evr,
            source_name=package.source_name,
            source_version=package.source_version,
            held=package.name in held,
            auto=(package.name, package.arch) in auto,
            state="installed" if package is newest[package.name, package.arch] or many(package.name) else "duplicate",
            module=package.module,
        )
        for package in packages
    ]


def many(name: str) -> bool:
    """Whether several versions of a package may be installed together (kernels and their modules)."""
    return _MANY.search(name) is not None


def kernels(root: str, packages: Sequence[RpmPackage]) -> List[KernelPackage]:
    """The installed kernels. Each package of one provides `kernel-uname-r` or `kernel-<flavour>-uname-r`."""
    names = {p.name for p in packages if p.name.startswith("kernel") and not _NO_KERNEL.search(p.name)}
    if not names:
        return []
    text = run(
        [
            *_rpm(root),
            "-q",
            "--qf",
            "%{NAME}\\t%{VERSION}-%{RELEASE}[ %{PROVIDENAME}=%{PROVIDEVERSION}]\\n",
            *sorted(names),
        ]
    ).stdout
    return parse_kernels(text, {package.name: package.source_name for package in packages})


def parse_kernels(text: str, sources: Mapping[str, str]) -> List[KernelPackage]:
    """Lines of `name, tab, version, and provides as name=version`; a release that several packages have comes once."""
    found: Dict[str, KernelPackage] = {}
    for line in text.splitlines():
        package, _tab, rest = line.partition("\t")
        version, *provides = rest.split(" ")
        for entry in provides:
            name, _equals, release = entry.partition("=")
            if release and _UNAME.match(name):
                found.setdefault(release, KernelPackage(release, version, sources.get(package)))
    return sorted(found.values(), key=lambda kernel: evr_key(kernel.release))


def core_updates(packages: Sequence[RpmPackage]) -> List[CoreUpdate]:
    """When those packages were installed whose new version only a reboot puts to work."""
    return [CoreUpdate(p.name, p.evr, p.installed_at) for p in packages if p.name in _CORE and p.installed_at]


def unmet_dependencies(root: str) -> List[str]:
    """What installed packages need and do not have, as sentences."""
    result = run(
        [*_rpm(root), "-Va", "--nofiles", "--nodigest", "--nosignature", "--noscripts"], allow=tuple(range(256))
    )
    return parse_unmet(result.stdout)


def parse_unmet(text: str) -> List[str]:
    """`Unsatisfied dependencies for NEVRA:` and the indented lines below it."""
    found, package = [], None
    for line in text.splitlines():
        match = _UNSATISFIED.match(line)
        if match:
            package = match.group(1)
        elif package and line[:1].isspace() and line.strip():
            found.append(f"{package}: {line.strip()}")
    return found


def database(root: str) -> str:
    """The folder of the rpm database."""
    folders = [os.path.join(root, path) for path in DATABASES]
    return next((path for path in folders if os.path.isdir(path) and not os.path.islink(path)), folders[0])


def lock_files(root: str) -> List[str]:
    """The files whose lock rpm holds for as long as it writes."""
    return [os.path.join(database(root), ".rpm.lock")]


def logs(root: str) -> List[str]:
    """SQLite's write-ahead log, empty or absent unless somebody writes or was killed while writing."""
    return [os.path.join(database(root), "rpmdb.sqlite-wal")]


def database_files(root: str) -> List[str]:
    """The files that change when the database does, of each of rpm's formats (sqlite, ndb, Berkeley).

    Not SQLite's write-ahead log, which every reader touches (see `logs`): rpm empties it when it has written.
    """
    names = ("rpmdb.sqlite", "Packages.db", "Packages")
    return [os.path.join(database(root), name) for name in names]


def _rpm(root: str) -> List[str]:
    return ["rpm"] if root == "/" else ["rpm", "--root", root]
