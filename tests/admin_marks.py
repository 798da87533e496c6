"""Whose installation it is in the tests of what an installation leaves on its ESPs."""

from __future__ import annotations

from installer.admin.where import Where, Who

ME = Who("4c4c4544-0044-4d10-8052-b4c04f333032", "ABC123", ("52:54:00:00:00:01",))
WHERE_NOW = Where("lab", "admin", 1, ("ata-ONE", "ata-TWO"), ME, "format", 1000.0, "0.1")
