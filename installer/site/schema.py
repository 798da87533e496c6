"""The site file's JSON Schema, for editors and for programs that write site files."""

from __future__ import annotations

from typing import Any

from installer.site.document import SiteDocument

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def make_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. It knows shapes and words; `rackstrap check` knows all that spans several keys."""
    schema = SiteDocument.model_json_schema()
    return {"$schema": DIALECT, "$id": "https://rackstrap.example/schema/site-1.json", **_allow_empty(schema)}


def _allow_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """A section whose key stands there without a value counts as left out."""
    required = set(schema.get("required", ()))
    properties = {
        name: part if name in required else {"anyOf": [part, {"type": "null"}], "description": part.get("description", "")}
        for name, part in schema["properties"].items()
    }
    return {**schema, "properties": properties}
