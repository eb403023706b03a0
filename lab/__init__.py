# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab: real hosts, systemd and sshd in containers, to try things on and to break. Standard library only."""
