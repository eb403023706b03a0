# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The most that can be had of what is wanted."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.packages._largest import Attempt, largest
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Wanted


class Solver:
    """Refuses what has one of `bad` in it, or all of `together`; `talks`: names what it refuses."""

    def __init__(self, bad=(), together=(), talks=True):
        self.bad, self.together, self.talks, self.asked = set(bad), set(together), talks, 0

    def __call__(self, part):
        self.asked += 1
        names = {each.name for each in part}
        guilty = self.bad & names | (self.together if self.together and self.together <= names else set())
        if not guilty:
            return Attempt("".join(sorted(names)))
        return Attempt(
            None, "no", {each: f"not {each.name}" for each in part if each.name in guilty} if self.talks else {}
        )


def wanted(names):
    return [Wanted(name, "all", "2") for name in names]


@pytest.mark.parametrize(
    ("solver", "result", "out", "most"),
    [
        (Solver(), "abcdefgh", {}, 1),
        (Solver("cf"), "abdegh", {"c": "not c", "f": "not f"}, 2),
        (Solver("abcdefgh"), "", dict.fromkeys("abcdefgh"), 2),
        (Solver("f", talks=False), "abcdegh", {"f": "no"}, 9),
        (Solver("abcdefgh", talks=False), "", dict.fromkeys("abcdefgh", "no"), 18),
        (Solver(together="ch", talks=False), "abcdefg", {"h": "no"}, 9),
    ],
)
def test_as_much_as_can_be(solver, result, out, most):
    found, others = largest(wanted("abcdefgh"), solver)
    assert found == result
    assert sorted(each.name for each, _why in others) == sorted(out)
    assert all(out[each.name] in (None, why) for each, why in others)
    assert solver.asked <= most


def test_a_solver_that_refuses_everything_is_not_asked_forever():
    solver = Solver(together="xy", talks=False)
    solver.bad = {str(number) for number in range(500)}
    found, others = largest(wanted(map(str, range(500))), solver)
    assert found == "" and len(others) == 500
    assert solver.asked <= 45


def test_one_or_none():
    assert largest([], Solver()) == ("", [])
    assert largest(wanted("a"), Solver("a", talks=False)) == ("", [(wanted("a")[0], "no")])
