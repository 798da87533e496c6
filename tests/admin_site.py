"""The site file and the image of the tests of the admin node's installation."""

from __future__ import annotations

from installer.admin.image import LAYERS
from installer.model.plan import Image
from tests.plan_samples import KEY

SECRET = "correct-horse-canary"
IMAGE = Image("1", "6.12", dict.fromkeys(LAYERS, ""), dict.fromkeys(LAYERS, 1), 10**9, 10**8)
TEXT = f"""rackstrap: 1
name: lab
domain: lab.example
access: {{ssh_keys: [{KEY}]}}
admin: {{hostname: admin, address: 192.168.124.10, nics: [enp1s0]}}
"""
