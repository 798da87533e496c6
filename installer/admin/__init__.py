"""The admin node's own installation: from the ISO onto its disk, found again after a power loss, gone on with from there."""
