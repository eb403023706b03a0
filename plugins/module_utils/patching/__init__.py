# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A patch run on its host: what it remembers, who works on it, the detached job that changes packages, its health."""
