# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes what came of each host's task into the folder $RESULTS; quicker than a task that would write it."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: results
type: aggregate
short_description: Each host's last result, in a file named for it
description: Each host's last result, as JSON, in a file named for the host in the folder of the variable RESULTS.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "results"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result):
        folder = Path(os.environ["RESULTS"])
        folder.mkdir(exist_ok=True)
        (folder / result._host.get_name()).write_text(self._dump_results(result._result))
