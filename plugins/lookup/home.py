# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where evidence lands."""

from __future__ import annotations

DOCUMENTATION = r"""
name: home
author: The Upkeep maintainers (@proven)
version_added: "0.1.0"
short_description: The folder under which evidence lands
description:
  - Returns C(upkeep_home) as an absolute path, the same for every play and plugin of a run.
  - It is the variable C(upkeep_home) where that is set; else the root of the clone, when run from a clone;
    else the environment variable E(UPKEEP_HOME); else the current folder.
  - A place inside an installed collection is refused, since an upgrade would delete what is there.
options:
  _terms:
    description: None are taken.
"""

EXAMPLES = r"""
- name: Show where evidence lands
  ansible.builtin.debug:
    msg: "{{ lookup('proven.upkeep.home') }}"
"""

RETURN = r"""
_raw:
  description: The absolute path.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import home
from ansible_collections.proven.upkeep.plugins.plugin_utils.plain import plain


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms: Any, variables: Any = None, **options: Any) -> list[str]:
        """The path, in a list of one."""
        self.set_options(var_options=variables, direct=options)
        if terms:
            raise AnsibleLookupError("the lookup proven.upkeep.home takes no terms.")
        variables = variables or {}
        try:
            given = home.explicit(variables, lambda name: plain(self._templar.template(variables[name])))
            found = home.resolve(given)
        except UpkeepError as error:
            raise AnsibleLookupError(f"{error.code}: {error.message}")
        if found.warning:
            Display().warning(found.warning)
        return [str(found.path)]
