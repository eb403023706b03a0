# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""restic as a backup's engine: its calls hold no secret, its exit codes and JSON lines are read as data."""
