# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking dnf5 through libdnf5's Python bindings; from its metadata cache alone, never the network."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from typing import Any, List, Optional, Sequence, Set, Tuple

from .. import times
from ..errors import UpkeepError
from ._dnf_common import failed, find_cache, hidden, needs, order, parse_problems, read_locks, version
from ._rpm import RpmPackage
from ._rpm_view import Advisory, Available, Facts, Gone, RpmRepo, Step
from ._rpmversion import without_zero

Id = Tuple[str, str, str, str]


def available() -> bool:
    """Whether this interpreter has libdnf5."""
    return importlib.util.find_spec("libdnf5") is not None


def ask(root: str, command: str, packages: Sequence[RpmPackage]) -> Facts:
    """`command` is the path of dnf5, for its version. Raises UpkeepError `dnf_failed`."""
    try:
        return _ask(root, command, packages)
    except UpkeepError:
        raise
    except Exception as error:  # libdnf5 has a class for each of its own
        raise failed(str(error))


def _ask(root: str, command: str, packages: Sequence[RpmPackage]) -> Facts:
    base = _open(root)
    config = base.get_config()
    excludes, best = sorted(config.get_excludepkgs_option().get_value()), bool(config.get_best_option().get_value())
    repositories = _repositories(base, root)
    seen = set(map(_id, _upgrades(base)))
    install, remove, problems = _plan(base)
    unfiltered = _open(root, excludes=False)
    regular = set(map(_id, _upgrades(unfiltered)))
    whole = _open(root, excludes=False, modules=False)
    return Facts(
        version=version(command),
        repositories=repositories,
        newer=sorted((_available(package, seen, regular) for package in _upgrades(whole)), key=order),
        install=install,
        remove=remove,
        problems=problems,
        advisories=_advisories(whole),
        auto=_auto(whole),
        locks=read_locks(root, packages),
        excludes=excludes,
        best=best,
        paths={"cache": config.get_cachedir_option().get_value()},
    )


def _open(root: str, excludes: bool = True, modules: bool = True) -> Any:
    """A base with its repositories, with or without the filters: libdnf5's queries cannot be told to pass them over."""
    import libdnf5.base
    import libdnf5.repo

    base = libdnf5.base.Base()
    config = base.get_config()
    config.get_installroot_option().set(root)
    base.load_config()
    config.get_plugins_option().set(False)  # they may run commands
    config.get_cacheonly_option().set("all")
    if os.geteuid() != 0:
        # The user's own would be empty.
        system = config.get_system_cachedir_option().get_value()
        config.get_cachedir_option().set(os.path.join(root, system.lstrip("/")))
    if not excludes:
        config.get_disable_excludes_option().set(("*",))
    base.setup()
    sack = base.get_repo_sack()
    sack.create_repos_from_system_configuration()
    for repo in libdnf5.repo.RepoQuery(base):
        repo.get_config().get_skip_if_unavailable_option().set(True)
        if not modules:
            repo.get_config().get_module_hotfixes_option().set(True)
    sack.load_repos()
    return base


def _repositories(base: Any, root: str) -> List[RpmRepo]:
    import libdnf5.repo

    found = []
    for each in libdnf5.repo.RepoQuery(base):
        if each.get_type() != libdnf5.repo.Repo.Type_AVAILABLE:
            continue
        config = each.get_config()
        repo = RpmRepo(
            id=each.get_id(),
            enabled=bool(config.get_enabled_option().get_value()),
            name=each.get_name(),
            signed=bool(config.get_repo_gpgcheck_option().get_value()),
            excludes=sorted(config.get_excludepkgs_option().get_value()),
            needs=needs(config.get_sslclientcert_option().get_value(), root),
        )
        if repo.enabled:
            find_cache(repo, each.get_cachedir())
            repo.refreshed_at = each.get_timestamp() if repo.fetched else None
        found.append(repo)
    return sorted(found, key=lambda repo: repo.id)


def _upgrades(base: Any) -> Any:
    import libdnf5.rpm

    query = libdnf5.rpm.PackageQuery(base)
    query.filter_available()
    query.filter_upgrades()
    return query


def _id(package: Any) -> Id:
    return package.get_name(), package.get_arch(), package.get_evr(), package.get_repo_id()


def _available(package: Any, seen: Optional[Set[Id]] = None, regular: Optional[Set[Id]] = None) -> Available:
    offer = Available(
        *_id(package)[:2], without_zero(package.get_evr()), package.get_repo_id(), package.get_sourcerpm()
    )
    return offer if seen is None else replace(offer, hidden=hidden(_id(package), seen, regular or set()))


def _plan(base: Any) -> Tuple[List[Step], List[Gone], List[List[str]]]:
    """What `dnf upgrade --no-best` would do, and why it would leave something out."""
    import libdnf5.base
    import libdnf5.transaction

    kinds = {
        libdnf5.transaction.TransactionItemAction_INSTALL: "install",
        libdnf5.transaction.TransactionItemAction_UPGRADE: "upgrade",
        libdnf5.transaction.TransactionItemAction_DOWNGRADE: "downgrade",
    }
    base.get_config().get_best_option().set(False)
    goal = libdnf5.base.Goal(base)
    goal.add_rpm_upgrade()
    transaction = goal.resolve()
    install, remove = [], []
    for item in transaction.get_transaction_packages():
        package, action = item.get_package(), item.get_action()
        if action in kinds:
            install.append(Step(_available(package), kinds[action]))
            for old in item.get_replaces():
                if old.get_name() != package.get_name():
                    by = f"{package.get_name()} {without_zero(package.get_evr())}"
                    remove.append(Gone(old.get_name(), old.get_arch(), without_zero(old.get_evr()), by))
        elif action == libdnf5.transaction.TransactionItemAction_REMOVE:
            remove.append(Gone(package.get_name(), package.get_arch(), without_zero(package.get_evr())))
    return install, remove, parse_problems("\n".join(transaction.get_resolve_logs_as_strings()))


def _advisories(base: Any) -> List[Advisory]:
    """Those that say something of a newer version of what is installed."""
    import libdnf5.advisory
    import libdnf5.common
    import libdnf5.rpm

    installed = libdnf5.rpm.PackageQuery(base)
    installed.filter_installed()
    names = {package.get_name() for package in installed}
    advisories = libdnf5.advisory.AdvisoryQuery(base)
    advisories.filter_packages(installed, libdnf5.common.QueryCmp_GT)
    found = []
    for each in advisories:
        packages = {
            (package.get_name(), package.get_arch(), without_zero(package.get_evr()))
            for collection in each.get_collections()
            for package in collection.get_packages()
            if package.get_name() in names
        }
        found.append(
            Advisory(
                id=each.get_name(),
                type=each.get_type(),
                severity=each.get_severity() or None,
                published=times.from_timestamp(each.get_buildtime()) if each.get_buildtime() else None,
                cves=tuple(sorted({ref.get_id() for ref in each.get_references() if ref.get_type() == "cve"})),
                packages=tuple(sorted(packages)),
            )
        )
    return sorted(found, key=lambda advisory: advisory.id)


def _auto(base: Any) -> Set[Tuple[str, str]]:
    import libdnf5.rpm
    import libdnf5.transaction

    installed = libdnf5.rpm.PackageQuery(base)
    installed.filter_installed()
    reasons = (
        libdnf5.transaction.TransactionItemReason_DEPENDENCY,
        libdnf5.transaction.TransactionItemReason_WEAK_DEPENDENCY,
    )
    return {(package.get_name(), package.get_arch()) for package in installed if package.get_reason() in reasons}
