# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every package manager fills: the shapes of `upkeep.patch_level/1`, one dataclass each.

Unknown is a value of its own: a field that could not be determined is `None`, never `False`, `0` or `[]`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

SCHEMA = "upkeep.patch_level/1"


@dataclass(frozen=True)
class Options:
    """The module's parameters. `max_age` in seconds. `root` is another system's root than this host's: for tests."""

    manager: str = "auto"
    refresh: str = "never"
    max_age: int = 86400
    scan_services: bool = True
    bindings: str = "auto"
    check_mode: bool = False
    root: str = "/"


@dataclass
class Repository:
    """A configured repository; what it says of itself comes from its (In)Release file, None where there is none."""

    id: str
    enabled: bool
    suite: Optional[str] = None
    origin: Optional[str] = None
    label: Optional[str] = None
    codename: Optional[str] = None
    version: Optional[str] = None
    components: List[str] = field(default_factory=list)
    security: bool = False
    signed: Optional[bool] = None
    fetched: bool = False
    date: Optional[str] = None
    valid_until: Optional[str] = None


@dataclass
class Metadata:
    """How far the lists of available packages can be trusted. `refresh_ok` is None where no refresh was tried.

    `tells_security`: whether the distribution's repositories say which updates are security updates; where they do not,
    no `security` means anything.
    """

    refreshed_at: Optional[str]
    refresh_ok: Optional[bool]
    stale: bool
    repositories: List[Repository]
    problems: List[str]
    tells_security: bool = True


@dataclass
class Installed:
    """One installed package; `state` is the manager's own word, `installed` when all is well.

    `module` is `name:stream` where the package belongs to a module stream (dnf).
    """

    name: str
    arch: str
    version: str
    source_name: str
    source_version: str
    held: bool
    auto: bool
    state: str
    module: Optional[str] = None


@dataclass
class Pending:
    """One update that is there: to be installed (`blocked_by` None) or withheld, and then why."""

    name: str
    arch: str
    installed: Optional[str]
    candidate: str
    source_name: str
    source_version: str
    origins: List[str]
    security: bool
    security_version: Optional[str] = None
    advisories: List[str] = field(default_factory=list)
    cves: List[str] = field(default_factory=list)
    severity: str = "unknown"
    severity_source: Optional[str] = None
    published_at: Optional[str] = None
    blocked_by: Optional[str] = None
    blocked_detail: Optional[str] = None
    new_dependency: bool = False
    needs_full_upgrade: bool = False
    downgrade: bool = False


@dataclass
class Removal:
    """A package that a full upgrade would take away."""

    name: str
    arch: str
    version: str
    because: str


@dataclass
class Health:
    """What would stop or spoil an upgrade. Reported, never repaired here."""

    interrupted: bool
    half_configured: List[str]
    locked_by: Optional[str] = None
    unmet_dependencies: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class KernelPackage:
    """An installed kernel: `release` as `uname -r` says it, its package's version, `source` as advisories name it."""

    release: str
    version: str
    source: Optional[str] = None


@dataclass(frozen=True)
class CoreUpdate:
    """A package whose new version needs a reboot to be used everywhere; `installed_at` in seconds since the epoch."""

    name: str
    version: str
    installed_at: int


@dataclass
class PackageState:
    """What a manager answers; the rest of the document is the same for all of them.

    `locks` are files whose lock (fcntl, flock) keeps it from working, `pid_files` those that name the process which
    does: who holds them is asked anew each time. `logs` are write-ahead logs of databases: while one is not empty, its
    database's file does not tell all, and the answer is not remembered. Neither is one that is not `keepable`.
    """

    metadata: Metadata
    installed: List[Installed]
    pending: List[Pending]
    removals: List[Removal]
    health: Health
    kernels: List[KernelPackage]
    collector: str
    tool: Dict[str, Any]
    not_seen: List[str] = field(default_factory=list)
    changed: bool = False
    locks: List[str] = field(default_factory=list)
    pid_files: List[str] = field(default_factory=list)
    logs: List[str] = field(default_factory=list)
    keepable: bool = True
    core_updates: List[CoreUpdate] = field(default_factory=list)


@dataclass
class Host:
    """Which system this is. `eol_date` is the last day of security updates that cost nothing, where known."""

    os_id: Optional[str]
    os_version: Optional[str]
    codename: Optional[str]
    arch: str
    machine_id: Optional[str]
    boot_id: Optional[str]
    container: bool
    eol_date: Optional[str]


@dataclass
class Kernel:
    """`reboot_needed` is None where the running kernel is not one of the installed packages' flavours.

    `running_version` is the package version of what runs, `running_source` its source package; None in a container,
    whose kernel is another host's, and where they cannot be told.
    """

    running: str
    newest_installed: Optional[str]
    reboot_needed: Optional[bool]
    running_version: Optional[str] = None
    running_source: Optional[str] = None


@dataclass
class Reboot:
    """`required` is None in a container and where it cannot be told."""

    required: Optional[bool]
    reasons: List[str]


@dataclass
class StaleService:
    """Processes of one unit (None: of no unit) that still run code which is no longer on disk."""

    unit: Optional[str]
    pids: List[int]
    files: List[str]
    commands: List[str]


def plain(thing: Any) -> Any:
    """Dataclasses and lists of them as JSON-able data (a good deal faster than `dataclasses.asdict`)."""
    if isinstance(thing, list):
        return [plain(item) for item in thing]
    if hasattr(thing, "__dataclass_fields__"):
        return {name: plain(value) for name, value in vars(thing).items()}
    return thing
