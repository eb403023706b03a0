# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import home


@pytest.fixture(name="places")
def places_fixture(tmp_path):
    clone, installed, work = (
        tmp_path / "clone",
        tmp_path / "ansible_collections" / "proven" / "upkeep",
        tmp_path / "work",
    )
    for folder in (clone, installed, work):
        folder.mkdir(parents=True)
    (clone / "galaxy.yml").touch()
    (installed / "MANIFEST.json").touch()
    return {"clone": clone, "installed": installed, "work": work, "other": tmp_path / "other"}


@pytest.mark.parametrize(
    ("variable", "environment", "root", "chosen", "source"),
    [
        ("other", "other", "clone", "other", "variable"),
        (None, None, "clone", "clone", "clone"),
        (None, "other", "clone", "clone", "clone"),
        (None, "other", "installed", "other", "environment"),
        (None, None, "installed", "work", "cwd"),
    ],
)
def test_order(places, variable, environment, root, chosen, source):
    environ = {"UPKEEP_HOME": str(places[environment])} if environment else {}
    found = home.resolve(str(places[variable]) if variable else None, environ, places["work"], places[root])
    assert (found.path, found.source) == (places[chosen], source)
    assert bool(found.warning) == (source == "clone" and environment is not None)


def test_a_relative_home_is_of_the_current_folder(places):
    assert home.resolve("a/../b", {}, places["work"], places["clone"]).path == places["work"] / "b"


@pytest.mark.parametrize("below", ["", "backups", "a/b/c"])
def test_inside_an_installed_collection_is_refused(places, below):
    with pytest.raises(UpkeepError) as caught:
        home.resolve(str(places["installed"] / below), {}, places["work"], places["clone"])
    assert caught.value.code == "home_in_collection"
    link = places["work"] / "link"
    link.symlink_to(places["installed"])
    with pytest.raises(UpkeepError):
        home.resolve(None, {}, link, places["installed"])


def test_ensure_home_makes_private_folders_with_their_marker(tmp_path):
    place = tmp_path / "a" / "b"
    home.ensure_home(place)
    home.ensure_home(place)
    assert sorted(path.name for path in place.iterdir()) == ["audits", "backups", "reports", "runs", "state"]
    for folder in place.iterdir():
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert (folder / ".upkeep-evidence").read_text().count("\n") == 1


def test_a_home_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UpkeepError) as caught:
        home.ensure_home(tmp_path / "file")
    assert caught.value.code == "home_unwritable" and str(tmp_path / "file") in caught.value.message


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"upkeep_home": None}, None),
        ({"upkeep_home": ""}, None),
        ({"upkeep_home": "{{ lookup('proven.upkeep.home') }}"}, None),
        ({"upkeep_home": "/srv/x"}, "/srv/x"),
    ],
)
def test_the_variable_may_be_the_lookup_itself(variables, expected):
    assert home.explicit(variables, lambda name: variables[name]) == expected


def test_this_checkout_is_a_clone():
    assert home.is_clone(home._COLLECTION_ROOT) and os.path.isdir(home._COLLECTION_ROOT / "plugins")
