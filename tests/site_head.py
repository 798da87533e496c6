"""What the site files of the terminal UI's tests begin with."""

from __future__ import annotations

from typing import Final

HEAD: Final = """rackstrap: 1
name: lab
domain: lab.example
access:
  ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk]
admin:
  hostname: admin
  address: 192.168.124.10
"""
