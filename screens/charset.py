"""Which locale an environment names. Imported by what starts quickly: it imports nothing of its own."""

from __future__ import annotations

from collections.abc import Mapping


def find_locale(environment: Mapping[str, str]) -> str:
    """LC_ALL before LC_CTYPE before LANG, as locale(7) has it: `c.utf8`, in lower case without hyphens or `@`; "" for none."""
    named = next((value for name in ("LC_ALL", "LC_CTYPE", "LANG") if (value := environment.get(name))), "")
    return named.partition("@")[0].casefold().replace("-", "")
