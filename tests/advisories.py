# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small indexes and patch levels to match with them."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import Index
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.match import Matcher
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Statement

DEBIAN = "debian:12"


def said(package, name, status="fixed", fixed=None, release=DEBIAN, kind="source", **more):
    """A statement; `fixed` alone is enough for one that has a fix."""
    return Statement(release, package, kind, name, status if fixed is None else "fixed", fixed=fixed, **more)


def fill(path, rows, exploited=(), sources=(("debian", ("debian",)),)):
    """An index with these rows, and a catalogue of what is exploited."""
    with Index.open(path, create=True) as index:
        for name, os_ids in sources:
            with index.replacing(name, name, os_ids, 86400) as load:
                load.add(rows if name == sources[0][0] else [])
        with index.replacing("kev", "KEV", (), 86400) as load:
            load.add(exploited)
    return path


@pytest.fixture
def matcher(tmp_path):
    """matcher(rows) is a Matcher over an index of them."""
    opened = []

    def made(rows, exploited=(), name="index.db"):
        index = Index.open(fill(tmp_path / name, rows, exploited))
        opened.append(index)
        return Matcher(index)

    yield made
    for index in opened:
        index.close()


def package(name, version, source=None, source_version=None, **more):
    return {
        "name": name, "arch": "amd64", "version": version, "source_name": source or name,
        "source_version": source_version or version, "state": "installed", "module": None, **more,
    }  # fmt: skip


def update(name, candidate, source=None, **more):
    return {
        "name": name, "arch": "amd64", "candidate": candidate, "source_name": source or name,
        "source_version": candidate, "security": True, "blocked_by": None, "blocked_detail": None, **more,
    }  # fmt: skip


def level(installed, pending=(), os=("debian", "12"), container=True, **more):
    """A patch level, of a container unless a kernel is of interest."""
    return {
        "host": {"os_id": os[0], "os_version": os[1], "container": container}, "manager": "apt",
        "metadata": {"stale": False}, "installed": list(installed), "pending": list(pending), **more,
    }  # fmt: skip
