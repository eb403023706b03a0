# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What dnf 4 knows and would do, asked through its own Python API; from its metadata cache alone, never the network.

dnf 4 is a Python program, and its API belongs to the interpreter that runs it: the very same questions are asked in
this process where it has that API, else by that interpreter, which is given this file's text. On RHEL 8 it is a Python
3.6: nothing newer may stand here, no file of ours may be imported, and no import of dnf may stand outside a function.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import sys
import tempfile
import time

LOCK_WAIT = 60


def facts(root):
    """`upkeep.dnf/1`, as `_dnf_view` describes it. Raises dnf's own errors and ImportError."""
    import logging

    import dnf
    import dnf.conf

    # What it would say on stderr is in the answer.
    logging.getLogger("dnf").addHandler(logging.NullHandler())
    logging.getLogger("dnf").propagate = False
    base = dnf.Base(dnf.conf.Conf())  # else it would look for a release version in the wrong root
    try:
        _configure(base, root)
        repositories = _load(base)
        found = {"version": dnf.VERSION, "best": bool(base.conf.best), "repositories": repositories}
        found["paths"] = {"cache": base.conf.cachedir, "persist": base.conf.persistdir}
        found["main_excludes"] = sorted(base.conf.excludepkgs)
        found["auto"] = _auto(base)
        found["locks"] = _locks(base)
        found["newer"] = _newer(base)
        found["advisories"] = _advisories(base)
        found.update(_plan(base))
        return found
    finally:
        base.close()
        # dnf would refuse to load its plugins a second time in one process.
        for name in [name for name in sys.modules if name.startswith("dnf.plugin.dynamic")]:
            del sys.modules[name]
        if os.path.basename(base.conf.logdir).startswith("upkeep-dnf-"):
            shutil.rmtree(base.conf.logdir, ignore_errors=True)


def _configure(base, root):
    """As `dnf` itself starts, without the plugins that reach out (RHEL's renews certificates over the network)."""
    import dnf.db.history
    import dnf.rpm

    conf = base.conf
    conf.installroot = root
    conf._search_inside_installroot("config_file_path")
    conf.read()
    from_root = conf._search_inside_installroot("reposdir")
    conf.substitutions.update_from_etc(from_root, varsdir=conf._get_value("varsdir"))
    release = dnf.rpm.detect_releasever(root)
    if release is not None:
        conf.releasever = release
    if os.geteuid() != 0:
        conf.cachedir = conf.system_cachedir  # the user's own would be empty
    for option in ("cachedir", "logdir", "persistdir"):
        conf.prepend_installroot(option)
    conf.exit_on_lock = True
    # It gives up where it can write no log, and a mere look shall leave none. Removed by `facts`.
    conf.logdir = tempfile.mkdtemp(prefix="upkeep-dnf-")
    if not os.path.exists(os.path.join(conf.persistdir, "history.sqlite")):
        base.history = dnf.db.history.SwdbInterface(conf.logdir, releasever=conf.releasever)  # dnf would make one there
    conf.pluginconfpath = [os.path.join(root, path.lstrip("/")) for path in conf.pluginconfpath]
    base.init_plugins(disabled_glob=["*"], enable_plugins=["versionlock"])
    base.pre_configure_plugins()
    base.read_all_repos()
    base.configure_plugins()


def _load(base):
    """Every repository, and the sack of those that have a cache."""
    import dnf
    import dnf.conf

    found = []
    for repo in sorted(base.repos.all(), key=lambda each: each.id):
        entry = {"id": repo.id, "name": repo.name, "enabled": bool(repo.enabled), "excludes": sorted(repo.excludepkgs)}
        entry.update(gpgcheck=bool(repo.gpgcheck), repo_gpgcheck=bool(repo.repo_gpgcheck))
        entry.update(client_cert=repo.sslclientcert or None, skip=bool(repo.skip_if_unavailable))
        entry.update(fetched=False, refreshed_at=None, updateinfo=None, revision=None, folder=None)
        found.append(entry)
        if not repo.enabled:
            continue
        repo._repo.setSyncStrategy(dnf.repo.SYNC_ONLY_CACHE)
        entry["folder"] = repo._repo.getCachedir()
        try:
            repo.load()
        except (dnf.exceptions.RepoError, RuntimeError):
            repo.disable()
            continue
        entry.update(fetched=True, refreshed_at=repo._repo.getTimestamp())
        entry.update(updateinfo=repo._repo.getMetadataPath("updateinfo") or None, revision=repo._repo.getRevision())
    deadline = time.monotonic() + LOCK_WAIT
    while True:
        try:
            base.fill_sack()
            return found
        except dnf.exceptions.LockError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _package(pkg):
    return {"name": pkg.name, "arch": pkg.arch, "evr": _evr(pkg), "repo": pkg.reponame, "sourcerpm": pkg.sourcerpm}


def _evr(pkg):
    return pkg.evr[2:] if pkg.evr.startswith("0:") else pkg.evr


def _auto(base):
    """What came as a dependency; where dnf's history does not know, it is not said to have."""
    reasons = ("dependency", "weak-dependency")
    return sorted([pkg.name, pkg.arch] for pkg in _installed(base) if pkg.reason in reasons)


def _installed(base):
    import hawkey

    # Excludes hide what is installed, too.
    return base.sack.query(flags=hawkey.IGNORE_EXCLUDES).installed()


def _locks(base):
    """The entries of versionlock's list, where that plugin is there: without it dnf heeds none."""
    import dnf.subject
    import hawkey

    plugin = sys.modules.get("dnf.plugin.dynamic.versionlock")
    path = getattr(plugin, "locklist_fn", None)
    if not path:
        return []
    try:
        with open(path, encoding="utf-8") as stream:  # noqa: PTH123
            lines = [line.strip() for line in stream]
    except OSError:
        return []
    forms = [hawkey.FORM_NEVRA, hawkey.FORM_NEVR, hawkey.FORM_NEV, hawkey.FORM_NA, hawkey.FORM_NAME]
    found = []
    installed = _installed(base)
    for line in lines:
        if not line or line.startswith("#"):
            continue
        meant = dnf.subject.Subject(line.lstrip("!")).get_nevra_possibilities(forms=forms)
        held = [nevra for nevra in meant if nevra.to_query(base.sack).intersection(installed)]
        names = sorted({nevra.name for nevra in held or meant})
        found.append({"text": line, "names": names, "holds": bool(held), "excludes": line.startswith("!")})
    return found


def _newer(base):
    """Every available version above the installed one; `hidden` says what filters it."""
    import hawkey

    installed: dict = {}
    for pkg in _installed(base):
        installed.setdefault(pkg.name, []).append(pkg)
    seen = set(map(_id, base.sack.query().available()))
    without_modules = set(map(_id, base.sack.query(flags=hawkey.IGNORE_REGULAR_EXCLUDES).available()))
    found = []
    for pkg in base.sack.query(flags=hawkey.IGNORE_EXCLUDES).available().filter(name=list(installed)):
        if not any(pkg.evr_gt(other) for other in installed[pkg.name]):
            continue
        entry = _package(pkg)
        entry["hidden"] = None if _id(pkg) in seen else "excluded" if _id(pkg) in without_modules else "modular"
        found.append(entry)
    return sorted(found, key=lambda each: (each["name"], each["arch"], each["evr"], each["repo"]))


def _id(pkg):
    return (pkg.name, pkg.evr, pkg.arch, pkg.reponame)


def _advisories(base):
    """Those that say something of a newer version of what is installed."""
    import hawkey

    types = {
        hawkey.ADVISORY_SECURITY: "security",
        hawkey.ADVISORY_BUGFIX: "bugfix",
        hawkey.ADVISORY_ENHANCEMENT: "enhancement",
        hawkey.ADVISORY_NEWPACKAGE: "newpackage",
    }
    found: dict = {}
    for package in _installed(base).get_advisory_pkgs(hawkey.GT):
        advisory = package.get_advisory(base.sack)
        entry = found.get(advisory.id)
        if entry is None:
            cves = {ref.id for ref in advisory.references if ref.type == hawkey.REFERENCE_CVE and ref.id}
            entry = found[advisory.id] = {
                "id": advisory.id,
                "type": types.get(advisory.type, "unknown"),
                "severity": advisory.severity,
                "published": advisory.updated.isoformat()[:19] + "Z" if advisory.updated else None,
                "cves": sorted(cves),
                "packages": [],
            }
        evr = package.evr[2:] if package.evr.startswith("0:") else package.evr
        entry["packages"].append([package.name, package.arch, evr])
    for entry in found.values():
        entry["packages"].sort()
    return [found[name] for name in sorted(found)]


def _plan(base):
    """What `dnf upgrade --nobest` would do, and dnf's sentences about what it would leave out."""
    import copy

    import dnf
    import dnf.conf

    base.conf.best = False
    base.upgrade_all()
    problems = []
    try:
        base.resolve()
    except dnf.exceptions.DepsolveError as error:
        return {"install": [], "remove": [], "problems": [[line.strip() for line in str(error).splitlines()]]}
    goal = base._goal
    best = copy.deepcopy(goal)
    if not best.run(allow_uninstall=False, force_best=True, ignore_weak=True):
        problems = [list(rules) for rules in best.problem_rules()]
    obsoleted = set(goal.list_obsoleted())
    install, remove = [], []
    for kind in ("upgrades", "installs", "downgrades"):
        for pkg in getattr(goal, "list_" + kind)():
            entry = _package(pkg)
            entry["kind"] = kind[:-1]
            install.append(entry)
            for old in goal.obsoleted_by_package(pkg):
                if old in obsoleted and old.name != pkg.name:
                    remove.append(dict(_package(old), by=f"{pkg.name} {_evr(pkg)}"))
    remove += [dict(_package(pkg), by=None) for pkg in goal.list_erasures()]
    return {"install": install, "remove": remove, "problems": problems}


def main():
    """The questions of another interpreter: one JSON document on stdout, `{"error": …}` where dnf gave up."""
    sys.path += glob.glob("/usr/lib/python3*/site-packages")
    try:
        answer = facts(sys.argv[1])
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
