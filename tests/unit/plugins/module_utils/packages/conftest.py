# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An apt of its own in a temporary folder, and the collectors run against it: no root, no change to the machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from unittest import mock

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages.collect import collect
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options

ROOT = Path(__file__).resolve().parents[5]
SYSTEM_PYTHON = "/usr/bin/python3"

COLLECT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages.collect import collect
from ansible_collections.proven.upkeep.plugins.module_utils.packages.model import Options
try:
    collected = collect(Options(**json.loads(sys.argv[2])))
    print(json.dumps({"changed": collected.changed, "data": collected.document}))
except UpkeepError as error:
    print(json.dumps(error.result()))
"""

CONF = """
Dir "{root}";
Dir::State "{root}/var/lib/apt";
Dir::State::status "{root}/var/lib/dpkg/status";
Dir::Cache "{root}/var/cache/apt";
Dir::Etc "{root}/etc/apt";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
APT::Machine-ID "0123456789abcdef0123456789abcdef";
Acquire::Languages "none";
Acquire::Retries "0";
"""


def has_apt():
    return shutil.which("apt-get") is not None


def has_bindings():
    if not (has_apt() and Path(SYSTEM_PYTHON).exists()):
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", "import apt_pkg"], capture_output=True, check=False).returncode == 0


def stanza(fields):
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"


class AptRoot:
    """A private apt: `install` what dpkg should have, `repository` what is on offer, then `collect`."""

    def __init__(self, root):
        self.root = root
        for folder in (
            "etc/apt/sources.list.d",
            "etc/apt/preferences.d",
            "etc/apt/apt.conf.d",
            "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial",
            "var/lib/apt/periodic",
            "var/lib/dpkg/updates",
            "var/cache/apt/archives/partial",
        ):
            (root / folder).mkdir(parents=True)
        self.config = root / "apt.conf"
        self.config.write_text(CONF.format(root=root))
        self.status = root / "var/lib/dpkg/status"
        self.status.write_text("")
        self.env = dict(os.environ, APT_CONFIG=str(self.config), UPKEEP_STATE_DIR=str(root / "state"), LC_ALL="C.UTF-8")

    def install(self, name, version, status="install ok installed", **fields):
        shown = {"Package": name, "Status": status, "Architecture": "all", "Version": version, "Maintainer": "Nobody"}
        shown.update({key.replace("_", "-"): value for key, value in fields.items()}, Description="a dummy")
        with self.status.open("a") as stream:
            stream.write(stanza(shown))

    def auto(self, *names):
        (self.root / "var/lib/apt/extended_states").write_text(
            "".join(stanza({"Package": name, "Architecture": "amd64", "Auto-Installed": "1"}) for name in names)
        )

    def repository(self, suite, packages, options="[trusted=yes]", release=None, fetch=True, method="file"):
        """`packages`: (name, version[, fields]). `release`: fields of the Release file."""
        folder = self.root / "srv" / "dists" / suite
        lists = folder / "main" / "binary-amd64"
        lists.mkdir(parents=True)
        text = ""
        for name, version, *more in packages:
            fields = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "Nobody"}
            fields.update(more[0] if more else {})
            fields.update(
                Filename=f"pool/{name}_{version}_all.deb",
                Size="1000",
                SHA256=hashlib.sha256(f"{name}{version}{suite}".encode()).hexdigest(),
                Description="a dummy",
            )
            text += stanza(fields)
        (lists / "Packages").write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        head = {"Origin": "Debian", "Label": "Debian", "Suite": suite, "Codename": suite, "Version": "12.5"}
        head.update({"Date": "Sat, 21 Nov 2020 02:10:46 UTC", "Architectures": "amd64", "Components": "main"})
        head.update(release or {})
        body = "".join(f"{key}: {value}\n" for key, value in head.items() if value)
        body += f"SHA256:\n {digest} {len(text)} main/binary-amd64/Packages\n"
        (folder / "Release").write_text(body)
        with (self.root / "etc/apt/sources.list").open("a") as stream:
            stream.write(f"deb {options} {method}:{self.root}/srv {suite} main\n")
        if fetch:
            self.update()
        return folder

    def update(self):
        done = subprocess.run(["apt-get", "update", "-q"], env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def preferences(self, text):
        (self.root / "etc/apt/preferences").write_text(text)

    def apt(self, *arguments):
        return subprocess.run(["apt-get", *arguments], env=self.env, capture_output=True, text=True, check=False)

    def collect(self, bindings="never", python=None, **options):
        """The result: in this process for the commands, in another for the bindings or where `python` is given."""
        if python is None and bindings == "require":
            python = SYSTEM_PYTHON
        options = dict({"manager": "apt", "scan_services": False, "bindings": bindings}, **options)
        if python is None:
            return self._collect_here(options)
        argv = [python, "-c", COLLECT, str(ROOT / "collections"), json.dumps(options)]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def _collect_here(self, options):
        with mock.patch.dict(os.environ, self.env):
            try:
                collected = collect(Options(**options))
            except UpkeepError as error:
                return error.result()
        return {"changed": collected.changed, "data": collected.document}

    def both(self, **options):
        """The document of the commands, after seeing that the bindings say the same (where there are any)."""
        document = self.collect(**options)
        if has_bindings():
            other = self.collect(bindings="require", **options)
            assert comparable(other) == comparable(document)
        return document["data"]


class Machine(AptRoot):
    """The apt of this machine itself, to be read only."""

    def __init__(self, state):
        self.env = dict(os.environ, UPKEEP_STATE_DIR=str(state), LC_ALL="C.UTF-8")


def comparable(result):
    """A result without what names the collector, or what other processes change meanwhile."""
    data = {name: value for name, value in result["data"].items() if name not in ("collector", "collected", "tool")}
    data.pop("unchanged_since")
    data["health"] = {name: value for name, value in data["health"].items() if name != "boot_free_bytes"}
    return dict(result, data=data)


@pytest.fixture
def apt_root(tmp_path):
    if not has_apt():
        pytest.skip("apt-get is not on this machine")
    root = tmp_path / "apt"
    root.mkdir()
    return AptRoot(root)


@pytest.fixture
def machine(tmp_path):
    if not has_apt():
        pytest.skip("apt-get is not on this machine")
    return Machine(tmp_path / "state")


@pytest.fixture(scope="session")
def schema():
    return json.loads((ROOT / "docs/schemas/patch_level.json").read_text())


@pytest.fixture(scope="session")
def same():
    return comparable


@pytest.fixture(scope="session")
def bindings_here():
    return has_bindings()


def pytest_collection_modifyitems(items):
    """What builds a private apt root is long: apt itself does most of it, and it is the same on every Python."""
    for item in items:
        if "apt_root" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.long)
