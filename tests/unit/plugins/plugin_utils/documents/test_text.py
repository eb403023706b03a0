# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents import markdown, text


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0.0 s"),
        (54, "54 ms"), (400, "0.4 s"), (59_900, "60 s"), (60_000, "1 min"), (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"), (273_600_000, "3 d 4 h"), (None, "?"), (True, "?"),
    ],
)  # fmt: skip
def test_duration(milliseconds, words):
    assert text.duration(milliseconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (999, "999 B"), (4_100_000, "4.1 MB"), (999_960, "1.0 MB"), (10**18, "1000.0 PB"), (None, "?")],
)
def test_size(number, words):
    assert text.size(number) == words


def test_printable_takes_control_characters_and_broken_names():
    assert text.printable("a\tb\x1b[0m\udcffé") == "a\\x09b\\x1b[0m\\xffé"


def test_listing_and_table():
    assert text.listing(["a", "b", "c"], 2) == "a, b and 1 more"
    assert text.table([("a", "bb", "c"), ("aaa", "b", "")]) == ["  a    bb  c", "  aaa  b"]
    assert text.table([]) == []


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        (None, ""),
        ("module_failed: x", "module_failed: x"),
        ("__init__", r"\_\_init\_\_"),
        ("a|b\nc", r"a\|b\\x0ac"),
        ("<img src=x>", "&lt;img src=x>"),
        ("[a](b) `c` *d*", r"\[a\](b) \`c\` \*d\*"),
    ],
)
def test_no_name_breaks_out_of_its_cell(value, escaped):
    assert markdown.cell(value) == escaped


def test_databases_in_words():
    one = {"name": "shop", "database": "orders", "tables": 1, "rows": 1}
    roles = {"name": "shop", "database": None, "tables": None, "rows": None}
    assert text.databases([one]) == "1 database with 1 table and 1 row"
    assert text.databases([one, roles, {**one, "tables": 12, "rows": 1200}]).startswith(
        "2 databases with 13 tables and 1"
    )
    assert text.databases([roles]) == text.databases(None) == ""
    assert (text.called(one), text.called(roles)) == ("shop (orders)", "shop")
