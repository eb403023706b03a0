# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The archives of a set that drills have proven last: retention must not take them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: last_verified
author: The Upkeep maintainers (@proven)
version_added: "0.1.0"
short_description: The archives that restore tests have proven last
description:
  - The SHA-256 of the archive that the newest successful drill of a set was of, from the evidence on this controller;
    where that drill was of a part, or a later one of the same archive went wrong, also of the newest proven whole.
  - A drill that compared the hash of the archive file alone proves no restore, and does not count.
  - Nothing where no drill of the set has succeeded yet.
options:
  _terms:
    description: The host, by its inventory name, and the set.
    required: true
"""

EXAMPLES = r"""
verified: "{{ query('proven.upkeep.last_verified', inventory_hostname, 'etc') }}"
"""

RETURN = r"""
_raw:
  description: None, one or more SHA-256.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import evidence, home
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: Any, variables: Any = None, **options: Any) -> list[str]:
        """The list of their sha256, perhaps empty."""
        self.set_options(var_options=variables, direct=options)
        if len(terms) != 2:
            raise AnsibleLookupError("the lookup proven.upkeep.last_verified takes a host and a set.")
        variables = variables or {}
        host, name = (str(plain(term)) for term in terms)
        try:
            given = home.explicit(variables, lambda each: plain(self._templar.template(variables[each])))
            return evidence.last_verified(home.resolve(given).path, host, name)
        except (UpkeepError, OSError) as error:
            raise AnsibleLookupError(f"the evidence of {name} of {host} cannot be read: {error}")
