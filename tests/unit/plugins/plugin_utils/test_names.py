# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils import names
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("web1", "web1"),
        ("db-1.example.org", "db-1.example.org"),
        ("", "%"),
        (".", "%2E"),
        ("..", "%2E."),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("fe80::1%eth0", "fe80%3A%3A1%25eth0"),
        ("münchen", "m%C3%BCnchen"),
        ("a b\n", "a%20b%0A"),
    ],
)
def test_encode(name, folder):
    assert names.encode(name) == folder
    assert names.decode(folder) == name


def test_a_name_that_is_too_long_is_shortened_and_stays_distinct():
    first, second = names.encode("a" * 300), names.encode("a" * 301)
    assert first != second and len(first) <= 96 and first.startswith("aaaa")
    assert names.decode(first) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=120), min_size=2, max_size=6, unique=True))
def test_distinct_names_stay_distinct_in_one_safe_folder_each(many):
    folders = [names.encode(name) for name in many]
    assert len(set(folders)) == len(many)
    for name, folder in zip(many, folders):
        assert "/" not in folder and not folder.startswith(".") and 0 < len(folder) <= 96
        assert names.decode(folder) in (name, None)
