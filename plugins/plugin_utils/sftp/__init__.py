# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""SFTP over OpenSSH: its configuration, known hosts, jump hosts, keys and agents count, because it is OpenSSH."""
