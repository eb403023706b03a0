# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules that are action plugins have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """`proven.upkeep.controller_action`: its attributes. `….controller_action.gates`: the option `gates`."""

    DOCUMENTATION = r"""
attributes:
  action:
    support: full
    description: Has a corresponding action plugin, which does all the work on the controller.
  diff_mode:
    support: none
    description: Shows no differences; it changes no managed host.
"""

    GATES = r"""
options:
  gates:
    description:
      - Policy gates.
      - A gate whose query finds no number is unknown, and unknown does not pass.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The gate's name, unique.
        type: str
        required: true
      title:
        description: What it stands for.
        type: str
      query:
        description: JMESPath over C(reports/report.json) that finds a number.
        type: str
        required: true
      op:
        description: How what was found is compared with O(gates[].value).
        type: str
        choices: [eq, ne, lt, le, gt, ge]
        required: true
      value:
        description: The number it is compared with.
        type: float
        required: true
      owner:
        description: Who acts when it does not pass.
        type: str
"""
