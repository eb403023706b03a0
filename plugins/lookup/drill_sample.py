# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which part of an archive the next drill is to look at."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drill_sample
author: The Upkeep maintainers (@proven)
version_added: "0.1.0"
short_description: Which part of an archive the next drill is to look at
description:
  - Chooses the part of a backup set that was proven least recently, by the proofs under C(upkeep_home), so that C(of)
    drills cover everything.
  - What counts first is when a part of this very archive was proven, then when that part of the set was. A path belongs
    to the same part in every archive, so an archive that changes each day is covered part by part as a set.
  - A part that is given is taken as it is.
options:
  _terms:
    description: The backup set's name.
    required: true
  sample:
    description: The sample, with C(of), and C(part) where it is chosen by hand. Nothing means no sample.
    type: raw
  host:
    description: The host that the backup is of.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Drill a seventh of a set, each day another one
  proven.upkeep.restore_verify:
    archive: archives/etc.tar.zst
    sample: "{{ lookup('proven.upkeep.drill_sample', 'etc', sample={'of': 7}, host=inventory_hostname) }}"
"""

RETURN = r"""
_raw:
  description: A list of one, the sample with C(part), C(of) and C(chosen_by); empty without a sample.
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, home, parts
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: Any, variables: Any = None, **options: Any) -> list[dict[str, Any]]:
        """The sample, in a list of one."""
        self.set_options(var_options=variables, direct=options)
        sample, host = plain(self.get_option("sample")), str(plain(self.get_option("host")))
        if len(terms) != 1:
            raise AnsibleLookupError("the lookup proven.upkeep.drill_sample takes one term, the name of the set.")
        if not sample:
            return []
        of = _whole(sample, "of")
        if _is_given(sample.get("part")):
            part = _whole(sample, "part")
            if part > of:
                raise AnsibleLookupError(
                    f"restore_test_sample: part must be a number from 1 to of, not {part} of {of}."
                )
            return [{"part": part, "of": of, "chosen_by": "hand"}]
        return [
            {"part": self._next(variables or {}, host, str(plain(terms[0])), of), "of": of, "chosen_by": "evidence"}
        ]

    def _next(self, variables: dict[str, Any], host: str, name: str, of: int) -> int:
        try:
            given = home.explicit(variables, lambda each: plain(self._templar.template(variables[each])))
            place = home.resolve(given).path
            success = evidence.last_success(evidence.place(place, host, name)) or {}
            return parts.next_part(parts.of_set(place, host, name), of, success.get("sha256"))
        except UpkeepError as error:
            raise AnsibleLookupError(f"{error.code}: {error.message}")
        except OSError as error:
            raise AnsibleLookupError(f"home_unreadable: {error.filename} cannot be read ({error.strerror}).")


def _is_given(value: Any) -> bool:
    return value not in (None, "")


def _whole(sample: Any, name: str) -> int:
    value = sample.get(name) if isinstance(sample, Mapping) else None
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if number < 1:
        raise AnsibleLookupError(
            f"restore_test_sample: {name} must be a whole number from 1, as in {{of: 7}}, not {value}."
        )
    return number
