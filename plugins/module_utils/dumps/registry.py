# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engines, by the name that a dump gives."""

from __future__ import annotations

from typing import Dict

from .command import Command
from .engine import Engine
from .mysql import Mysql
from .postgresql import Postgresql
from .redis import Redis
from .sqlite import Sqlite

ENGINES: Dict[str, Engine] = {engine.name: engine for engine in (Postgresql(), Mysql(), Sqlite(), Redis(), Command())}
