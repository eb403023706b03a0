# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sources files, Release files, and what belongs to which."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _apt_repositories as repositories
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apt_repositories import Source
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apt_view import Paths
from hypothesis import given, settings
from hypothesis import strategies as st

ONE_LINE = """\
# deb http://commented.example.org/ stable main
deb http://archive.example.org/debian bookworm main contrib # a comment
deb-src http://archive.example.org/debian bookworm main
deb [arch=amd64 trusted=yes] file:/srv/flat ./
deb [ allow-insecure=yes ] http://x.example.org stable main
nonsense
"""
DEB822 = """\
# A comment
Types: deb deb-src
URIs: http://archive.example.org/debian http://mirror.example.org/debian/
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://off.example.org/
Suites: stable
Components: main
Enabled: no
Trusted: yes

Types: deb-src
URIs: http://src.example.org/
Suites: stable
"""
IN_RELEASE = """\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Label: Debian-Security
Suite: oldstable-security
Version: 12
Codename: bookworm-security
Date: Sat, 21 Nov 2026 00:53:02 UTC
Valid-Until: Sat, 28 Nov 2026 00:53:02 UTC
Description: Debian 12 - Security Updates
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 contrib/Contents-amd64
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCAAd
-----END PGP SIGNATURE-----
"""


def test_one_line():
    assert repositories.parse_one_line(ONE_LINE) == [
        Source("http://archive.example.org/debian", "bookworm", ["main", "contrib"]),
        Source("file:/srv/flat", "./", [], True, "yes"),
        Source("http://x.example.org", "stable", ["main"], True, "insecure"),
    ]


def test_deb822():
    found = repositories.parse_deb822(DEB822)
    assert [(source.uri, source.suite, source.enabled, source.trust) for source in found] == [
        ("http://archive.example.org/debian", "bookworm", True, ""),
        ("http://archive.example.org/debian", "bookworm-updates", True, ""),
        ("http://mirror.example.org/debian/", "bookworm", True, ""),
        ("http://mirror.example.org/debian/", "bookworm-updates", True, ""),
        ("http://off.example.org/", "stable", False, "yes"),
    ]
    assert found[0].components == ["main", "contrib"]


def test_release():
    release = repositories.parse_release(IN_RELEASE)
    assert (release["origin"], release["label"], release["version"]) == ("Debian", "Debian-Security", "12")
    assert release["valid-until"] == "Sat, 28 Nov 2026 00:53:02 UTC"
    assert repositories.is_security(release)


@pytest.mark.parametrize(
    "origin, label, suite, codename, security",
    [
        ("Debian", "Debian-Security", "oldstable-security", "bookworm-security", True),
        ("Debian", "Debian-Security", "stable", "buster/updates", True),
        ("Debian", "Debian", "oldstable", "bookworm", False),
        ("Debian", "Debian", "oldstable-updates", "bookworm-updates", False),
        ("Ubuntu", "Ubuntu", "noble-security", "noble", True),
        ("Ubuntu", "Ubuntu", "noble-updates", "noble", False),
        ("UbuntuESM", "UbuntuESM", "jammy-infra-security", "jammy", True),
        ("Vendor", "Debian-Security", "stable-security", "x-security", False),
        (None, None, None, None, False),
    ],
)
def test_security(origin, label, suite, codename, security):
    named = {"origin": origin, "label": label, "suite": suite, "codename": codename}
    assert repositories.is_security({name: value for name, value in named.items() if value}) is security


@pytest.mark.parametrize(
    "uri, name",
    [
        ("http://archive.example.org/debian/dists/bookworm/", "archive.example.org_debian_dists_bookworm_"),
        ("https://user:pw@x.example.org:8443/a/", "x.example.org:8443_a_"),
        ("file:/srv/flat/./", "_srv_flat_._"),
        ("http://x.example.org/~me/a_b/", "x.example.org_%7eme_a%5fb_"),
        ("mirror+file:/etc/apt/mirrors.txt/", "_etc_apt_mirrors.txt_"),
    ],
)
def test_file_names(uri, name):
    assert repositories.file_name(uri) == name


def test_file_names_are_apts_own():
    python = "/usr/bin/python3"
    uris = ["http://x.example.org/~me/a_b/", "http://u:p@h:81/a b/{x}/", "file:/srv/fl%41t/", "https://ä.example/"]
    script = "import apt_pkg, sys; apt_pkg.init(); print('\\n'.join(map(apt_pkg.uri_to_filename, sys.argv[1:])))"
    if shutil.which("apt-get") is None or subprocess.run([python, "-c", "import apt_pkg"], check=False).returncode:
        pytest.skip("no python-apt here")
    done = subprocess.run([python, "-c", script, *uris], capture_output=True, text=True, check=False)
    assert [repositories.file_name(uri) for uri in uris] == done.stdout.split()


def paths(root, **more):
    (root / "lists").mkdir(exist_ok=True)
    values = dict.fromkeys(("status", "state", "extended_states", "archives", "pkgcache"), "")
    values.update(
        lists=f"{root}/lists/", sourcelist=f"{root}/sources.list", sourceparts=f"{root}/parts", native="amd64"
    )
    return Paths(allow_insecure=False, **dict(values, **more))


def test_which_repository_offers_a_file(tmp_path):
    (tmp_path / "sources.list").write_text(
        "deb http://me:pw@deb.example.org/debian stable main\n"
        "deb http://deb.example.org/debian stable contrib\n"
        "deb http://deb.example.org/debian stable-updates main\n"
        "deb file:/srv/flat ./\n"
    )
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "off.list.disabled").write_text("deb http://off.example.org stable main\n")
    (tmp_path / "parts" / "more.sources").write_text(DEB822)
    (tmp_path / "parts" / "archs.list").write_text("deb http://archs.example.org $(ARCH)/ \n")
    known = repositories.Repositories(paths(tmp_path))
    ids = [model.id for model in known.models()]
    assert "http://deb.example.org/debian stable" in ids
    assert "http://archs.example.org amd64/" in ids
    assert not any("off.list" in name or "pw" in name for name in ids)
    cases = {
        "http://deb.example.org/debian stable/contrib amd64 Packages": "http://deb.example.org/debian stable",
        "http://deb.example.org/debian stable-updates/main amd64 Packages": (
            "http://deb.example.org/debian stable-updates"
        ),
        "file:/srv/flat ./ Packages": "file:/srv/flat ./",
        "/l/deb.example.org_debian_dists_stable-updates_main_binary-amd64_Packages.lz4": (
            "http://deb.example.org/debian stable-updates"
        ),
        "/l/_srv_flat_._Packages": "file:/srv/flat ./",
        "/var/lib/dpkg/status": None,
        "http://deb.example.org/debian unstable/main amd64 Packages": None,
    }
    for name, expected in cases.items():
        found = known.of_file(name)
        assert (found.model.id if found else None) == expected, name


@pytest.mark.parametrize(
    "options, names, signed",
    [
        ("", ["InRelease"], True),
        ("", ["Release", "Release.gpg"], True),
        ("", ["Release"], False),
        ("[trusted=yes]", ["InRelease"], False),
        ("[allow-insecure=yes]", ["InRelease"], None),
        ("", [], None),
    ],
)
def test_signed(tmp_path, options, names, signed):
    (tmp_path / "sources.list").write_text(f"deb {options} http://x.example.org stable main\n")
    place = paths(tmp_path)
    for name in names:
        (tmp_path / "lists" / f"x.example.org_dists_stable_{name}").write_text(IN_RELEASE)
    (known,) = repositories.Repositories(place).known
    assert known.model.signed is signed
    assert known.origin_text() == ("Debian-Security:12/oldstable-security" if names else "x.example.org")


def test_a_sources_file_that_cannot_be_read_is_a_problem(tmp_path):
    (tmp_path / "parts" / "broken.list").mkdir(parents=True)
    _sources, problems = repositories.read_sources(paths(tmp_path))
    assert "broken.list cannot be read" in problems[0]


@settings(max_examples=150)
@given(st.text(alphabet="deb [=]#:/ab\nTypes: deb\nURIs: xSuites-Enabled", max_size=200))
def test_any_text_has_an_answer(text):
    repositories.parse_one_line(text)
    repositories.parse_deb822(text)
    repositories.is_security(repositories.parse_release(text))
    repositories.file_name(text)
