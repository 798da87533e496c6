"""SMART and NVMe health: what the disk says about itself, in one word and one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from installer.model.facts import Health
from installer.probe import hostile

# Attributes whose raw value is a count of sectors (smartmontools' drivedb; the standard leaves them to the maker).
SECTOR_COUNTS: Final = {5: "reallocated", 197: "pending", 198: "uncorrectable"}


def parse_health(answer: object, where: str) -> Health:
    """The answer of `smartctl --json --health --attributes`, or of `nvme smart-log`; unknown where there is none."""
    if answer is None:
        return Health()
    text = hostile.read_text(hostile.read_mapping(answer, where), "out", where)
    try:
        document = hostile.read_json(text, where)
    except ValueError:
        return Health(detail="its health cannot be read")
    if not isinstance(document, Mapping):
        return Health()
    passed = as_mapping(document.get("smart_status")).get("passed")
    nvme = as_mapping(document.get("nvme_smart_health_information_log")) or document
    warning = nvme.get("critical_warning")
    details = [*list_nvme(nvme), *list_sectors(as_mapping(document.get("ata_smart_attributes")))]
    if passed is False or (isinstance(warning, int) and warning > 0):
        return Health("failing", ", ".join(["the disk reports that it fails", *details]))
    if passed is True or warning == 0:
        return Health("ok", ", ".join(details))
    return Health()


def as_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def list_nvme(log: Mapping[str, Any]) -> list[str]:
    used = log.get("percentage_used", log.get("percent_used"))
    errors = log.get("media_errors")
    found = [f"{used} % of its life used"] if isinstance(used, int) and used >= 80 else []
    return found + ([f"{errors} media errors"] if isinstance(errors, int) and errors > 0 else [])


def list_sectors(attributes: Mapping[str, Any]) -> list[str]:
    table = attributes.get("table")
    found: list[str] = []
    for row in table if isinstance(table, list) and len(table) <= hostile.ITEM_LIMIT else []:
        fields = as_mapping(row)
        number, count = fields.get("id"), as_mapping(fields.get("raw")).get("value")
        if isinstance(number, int) and number in SECTOR_COUNTS and isinstance(count, int) and 0 < count < 1 << 32:
            found.append(f"{count} {SECTOR_COUNTS[number]} sectors")
    return found
