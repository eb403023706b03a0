# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every check that this machine can run, two at a time; what it cannot run, it names, with the reason.

    tests/run.py [--only a,b] [--list] [--jobs N]

Each check writes to .cache/logs/<check>.log; a failed one is printed whole. Exit 1 if any failed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv/bin"
# The managed hosts' Pythons. On the one that runs this, the unit check runs the same tests.
OWN_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
HOST_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
# What the tests drive besides Python: program -> Debian package.
SYSTEM = {
    "age": "age",
    "bsdtar": "libarchive-tools",
    "createrepo_c": "createrepo-c",
    "dnf": "dnf",
    "dpkg-scanpackages": "dpkg-dev",
    "getfattr": "attr",
    "gpg": "gnupg",
    "mariadbd": "mariadb-server",
    "mkfs.btrfs": "btrfs-progs",
    "mmdebstrap": "mmdebstrap",
    "pacman": "pacman-package-manager",
    "pg_dumpall": "postgresql",
    "rclone": "rclone",
    "redis-server": "redis-server",
    "rpmbuild": "rpm",
    "setfacl": "acl",
    "ssh": "openssh-client",
    "/usr/sbin/sshd": "openssh-server",
    "vercmp": "makepkg",
    "zypper": "zypper",
    "zstd": "zstd",
}


# Two checks use that environment; one of them makes it.
NEWEST_CORE = threading.Lock()


class Skip(Exception):
    """This machine cannot run the check; the text says why."""


@dataclass
class Check:
    """A named check: `run` gets an open log file, returns an exit code or raises Skip."""

    name: str
    run: Callable[[object], int]
    what: str
    needs_venv: bool = True


@dataclass
class Outcome:
    name: str
    status: str  # passed | failed | skipped
    seconds: float
    notes: list[str] = field(default_factory=list)


def sh(log, *argv: object, cwd: Path = ROOT, **env: str) -> int:
    """Run a program with its output in the log."""
    log.write(f"$ {' '.join(map(str, argv))}\n")
    log.flush()
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **env}
    return subprocess.run(
        list(map(str, argv)), cwd=cwd, stdout=log, stderr=log, env=environment, check=False
    ).returncode


def set_up_venv() -> None:
    """What most checks run in. Those that do not need it start meanwhile."""
    if subprocess.run(["scripts/venv", VENV.parent.name, "test"], cwd=ROOT, check=False).returncode:
        raise RuntimeError("the virtual environment could not be set up")


def find_python(version: str) -> str | None:
    """An interpreter of that minor version that really starts (names on PATH may be shims that do not)."""
    candidates = [shutil.which(f"python{version}"), f"/usr/bin/python{version}"]
    candidates += sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")), reverse=True)
    test = f"import sys, venv, ensurepip; assert '%d.%d' % sys.version_info[:2] == '{version}'"
    for python in filter(None, candidates):
        try:
            if subprocess.run([python, "-c", test], capture_output=True, timeout=30, check=False).returncode == 0:
                return python
        except (OSError, subprocess.TimeoutExpired):
            continue
    return None


def newest_core_python() -> str:
    for version in ("3.13", "3.12"):
        if python := find_python(version):
            return python
    raise Skip("no Python 3.12 or newer here, so no ansible-core newer than 2.19")


def install_system(log) -> list[str]:
    """Install what SYSTEM names and this machine lacks; returns what stays missing, as sentences."""
    missing = {program: package for program, package in SYSTEM.items() if not shutil.which(program)}
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        packages = sorted(set(missing.values()))
        install = ("apt-get", "install", "-y", "-q", "--no-install-recommends", "--no-upgrade", *packages)
        if sh(log, *install, DEBIAN_FRONTEND="noninteractive") != 0:
            sh(log, "apt-get", "update", "-q")
            sh(log, *install, DEBIAN_FRONTEND="noninteractive")
        missing = {program: package for program, package in missing.items() if not shutil.which(program)}
    return [f"{program} is missing (Debian: apt-get install {package})" for program, package in missing.items()]


def unit(log) -> int:
    """Unit tests and their coverage: a floor, enforced."""
    code = sh(log, VENV / "coverage", "run", "-m", "pytest", "-q", "tests/unit")
    return code or sh(log, VENV / "coverage", "report")


def host_python(version: str) -> Callable[[object], int]:
    """The host-side tests on one of the interpreters that managed hosts have."""

    def run(log) -> int:
        python = find_python(version)
        if not python:
            raise Skip(f"no Python {version} here")
        venv = CACHE / f"python-{version}"
        if not (venv / ".ready").exists():
            code = sh(log, python, "-m", "venv", "--clear", venv) or sh(
                log, venv / "bin/python", "-m", "pip", "install", "-q", "pytest", "hypothesis", "jsonschema"
            )
            if code:
                return code
            (venv / ".ready").touch()
        marks = "not once" if version == HOST_PYTHONS[0] else "not once and not long"
        tests = ["tests/unit/plugins/module_utils", "tests/unit/plugins/modules"]
        # Its own cache and example database: two interpreters run at a time.
        return sh(log, venv / "bin/python", "-m", "pytest", "-q", "-m", marks, "-p", "no:cacheprovider", *tests)

    return run


def integration(log) -> int:
    return sh(log, VENV / "pytest", "-q", "--durations=8", "tests/integration")


def newest_core(log) -> tuple[str, Path]:
    """The newest ansible-core that this machine's Pythons allow: the version of its Python, and its programs."""
    python = newest_core_python()
    venv = ROOT / ".venv-newest"
    with NEWEST_CORE:
        if sh(log, "scripts/venv", venv.name, "test", python):
            raise RuntimeError(f"{venv.name} could not be set up")
    shown = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    return shown.stdout.strip(), venv / "bin"


def integration_newest(log) -> int:
    _version, venv = newest_core(log)
    return sh(log, venv / "pytest", "-q", "-m", "not once", "-p", "no:cacheprovider", "tests/integration")


def lab(log) -> int:
    """Real hosts: what our tests do to them, then molecule's scenarios. Their lab is their own."""
    sys.path.insert(0, str(ROOT))
    from lab import needs

    if reason := needs.why_not():
        raise Skip(reason)
    codes = [
        sh(log, VENV / "pytest", "-q", "--durations=8", "tests/lab"),
        sh(log, "make", "molecule", NO_COLOR="1"),
        sh(log, VENV / "python", "-m", "lab", "down", UPKEEP_LAB="test"),
    ]
    return max(codes)


def managers(log) -> int:
    """Package managers for real, against repositories that the tests make."""
    return sh(log, VENV / "pytest", "-q", "--durations=8", "tests/managers")


def servers(log) -> int:
    """Databases, and whatever else backups talk to, each started for the tests in a folder of its own."""
    return sh(log, VENV / "pytest", "-q", "--durations=8", "tests/servers")


def faults(log) -> int:
    return sh(log, VENV / "pytest", "-q", "tests/faults")


def ruff(log) -> int:
    code = sh(log, VENV / "ruff", "check", "--no-cache", ".")
    return code or sh(log, VENV / "ruff", "format", "--no-cache", "--check", ".")


def types(log) -> int:
    return sh(log, VENV / "mypy", "--cache-dir", CACHE / "mypy")


def ansible_lint(log) -> int:
    return sh(log, VENV / "ansible-lint", PATH=f"{VENV}:{os.environ['PATH']}", ANSIBLE_HOME=str(CACHE / "lint"))


def changelog(log) -> int:
    return sh(log, VENV / "antsibull-changelog", "lint")


def docs(log) -> int:
    return sh(log, VENV / "python", "scripts/role_docs.py", "--check")


def export_tree(parent: str, log) -> Path:
    """What git tracks or would track, as a physical collection: ansible-test refuses links and nested checkouts.

    Without what galaxy.yml leaves out of the built collection, the lab above all.
    """
    tree = Path(parent) / "ansible_collections/proven/upkeep"
    left_out = ("collections", "playbooks/collections", "lab", "inventories/lab", "molecule", "tests/lab")
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard", *(f":!{path}" for path in left_out)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for path in filter(None, listed.stdout.split("\0")):
        if (ROOT / path).is_file():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, tree / path)
    log.write(f"exported to {tree}\n")
    return tree


# ansible-test wants get-pip.py from the network, for each of its environments; the pip that Python brings serves.
GET_PIP = """import subprocess, sys
subprocess.check_call([sys.executable, "-m", "ensurepip", "--upgrade"])
"""


def sanity(log, python: str = "3.11", venv: Path = VENV) -> int:
    cache = Path.home() / ".ansible/test/cache"
    for name in ("get_pip_24_2.py", "get_pip_25_2.py"):
        cache.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text(GET_PIP)
    with tempfile.TemporaryDirectory(prefix="upkeep-sanity-") as parent:
        tree = export_tree(parent, log)
        path = f"{venv}:{os.environ['PATH']}"
        return sh(log, venv / "ansible-test", "sanity", "--python", python, "--color", "no", cwd=tree, PATH=path)


def sanity_newest(log) -> int:
    version, venv = newest_core(log)
    return sanity(log, version, venv)


def galaxy_importer(log) -> int:
    """What Galaxy and an automation hub check of an artifact before they take it."""
    venv = CACHE / "galaxy-importer"
    if not (venv / ".ready").exists():
        python = newest_core_python()
        if sh(log, python, "-m", "venv", "--clear", venv) or sh(
            log, venv / "bin/python", "-m", "pip", "install", "-q", "galaxy-importer"
        ):
            return 1
        (venv / ".ready").touch()
    with tempfile.TemporaryDirectory(prefix="upkeep-build-") as parent:
        tree = export_tree(parent, log)
        if code := sh(log, VENV / "ansible-galaxy", "collection", "build", tree, "--output-path", parent):
            return code
        (artifact,) = Path(parent).glob("*.tar.gz")
        path = f"{venv}/bin:{os.environ['PATH']}"
        return sh(log, venv / "bin/python", "-m", "galaxy_importer.main", artifact, cwd=Path(parent), PATH=path)


HOST_PYTHON_CHECKS = [
    Check(f"python-{version}", host_python(version), f"host-side code on Python {version}", needs_venv=False)
    for version in HOST_PYTHONS
    if version != OWN_PYTHON
]
# The first one runs while the virtual environment is being set up; then the long ones, so that the lanes end together.
CHECKS = [
    *HOST_PYTHON_CHECKS[:1],
    Check("lab", lab, "real hosts over SSH, broken in turn; molecule's scenarios"),
    Check("integration", integration, "real playbooks through ansible-runner, on the oldest ansible-core"),
    Check("integration-newest", integration_newest, "the same on the newest ansible-core"),
    Check("sanity", sanity, "ansible-test sanity"),
    Check("sanity-newest", sanity_newest, "the same on the newest ansible-core"),
    Check("unit", unit, "unit tests with coverage"),
    Check("galaxy-importer", galaxy_importer, "what Galaxy checks of the built collection"),
    *HOST_PYTHON_CHECKS[1:],
    Check("managers", managers, "dnf 4, dnf5, zypper and pacman for real, against repositories made for it"),
    Check("servers", servers, "real servers: databases that are dumped, loaded and counted"),
    Check("faults", faults, "kills, full disks, flipped bytes"),
    Check("ansible-lint", ansible_lint, "production profile"),
    Check("types", types, "mypy"),
    Check("ruff", ruff, "style"),
    Check("changelog", changelog, "changelog fragments"),
    Check("docs", docs, "the generated parts of the documents are current"),
]


def run_check(check: Check, venv: Future[None]) -> Outcome:
    path = CACHE / "logs" / f"{check.name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    notes: list[str] = []
    with path.open("w") as log:
        try:
            if check.needs_venv:
                venv.result()
            status = "passed" if check.run(log) == 0 else "failed"
        except Skip as reason:
            status, notes = "skipped", [str(reason)]
        except Exception as problem:
            log.write(f"\n{type(problem).__name__}: {problem}\n")
            status = "failed"
    text = path.read_text(errors="replace")
    # pytest's own count and its skips, for the closing lines.
    notes += re.findall(r"^SKIPPED .*$", text, re.M)
    counts = re.findall(r"^(\d+ (?:passed|failed|skipped|error).*?) in [\d.]+s", text, re.M)
    if counts:
        notes.insert(0, counts[-1])
    return Outcome(check.name, status, time.monotonic() - started, notes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="these checks, separated by commas")
    parser.add_argument("--list", action="store_true", help="name the checks")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"  {check.name:20} {check.what}" for check in CHECKS))
        return 0
    wanted = options.only.split(",") if options.only else [check.name for check in CHECKS]
    if unknown := set(wanted) - {check.name for check in CHECKS}:
        print(f"no such check: {', '.join(sorted(unknown))}; --list names them", file=sys.stderr)
        return 2
    chosen = [check for check in CHECKS if check.name in wanted]

    started = time.monotonic()
    (CACHE / "logs").mkdir(parents=True, exist_ok=True)
    with (CACHE / "logs/system.log").open("w") as log:
        missing = install_system(log)
    outcomes = []
    with ThreadPoolExecutor(options.jobs) as pool:
        venv = pool.submit(set_up_venv)
        for future in as_completed([pool.submit(run_check, check, venv) for check in chosen]):
            outcome = future.result()
            outcomes.append(outcome)
            count = outcome.notes[0] if outcome.notes else ""
            print(f"  {outcome.status:8} {outcome.name:20} {outcome.seconds:6.1f} s  {count}", flush=True)
            if outcome.status == "failed":
                print((CACHE / "logs" / f"{outcome.name}.log").read_text(errors="replace"), flush=True)

    skips = [f"{note}" for note in missing]
    for outcome in outcomes:
        skips += [
            f"{outcome.name}: {note}"
            for note in outcome.notes
            if outcome.status == "skipped" or note.startswith("SKIPPED")
        ]
    print("\nSkipped, and why:" if skips else "\nNothing was skipped.")
    for line in skips:
        print(f"  {line}")
    tally = {
        status: sum(outcome.status == status for outcome in outcomes) for status in ("passed", "failed", "skipped")
    }
    print(f"\n{time.monotonic() - started:.0f} seconds; each check's log is in .cache/logs")
    print(f"checks: {tally['passed']} passed, {tally['failed']} failed, {tally['skipped']} skipped")
    return 1 if tally["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
