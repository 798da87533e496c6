"""The site file of the live desk's tests."""

from __future__ import annotations

SITE = """\
# what the operator wrote stays
rackstrap: 1
name: lab
domain: lab.example
access: {ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAFroTJnxFXeOCx6F/r5Loyq6sLLCI/SWhHafajcd5fa operator@desk]}
admin: {hostname: admin, address: 192.168.124.10}
nodes: []
"""
