"""The leaves of the site file: each turns what YAML gave into one exact value, or says what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from installer.model.site import Address, Subnet
from installer.site.addresses import UnreadableError, parse_address, parse_subnet, shown

_NIC_SPEED = re.compile(r"[?+-]?[1-9][0-9]{0,3}[mg][1-9][0-9]?", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_PCI = re.compile(r"[0-9a-zA-Z:._/-]{1,120}")
_LLDP = re.compile(r"[^/\x00-\x1f]{1,120}/[^\x00-\x1f]{1,120}")


def explained(message: str, hint: str = "") -> PydanticCustomError:
    """An error that pydantic carries in our own words."""
    return PydanticCustomError("site", "{message}", {"message": message, "hint": hint})


def _leaf(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """A validator that reads text as written (numbers too), by a parser that raises UnreadableError."""

    def validate(value: Any) -> Any:
        text = getattr(value, "written", value)
        if not isinstance(text, str):
            raise explained(f"{_kind(value)} stands where one word belongs", 'write one value, in quotes if need be: "…"')
        try:
            return parse(text.strip())
        except UnreadableError as error:
            raise explained(error.message, error.hint) from None

    return validate


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return "a number"


def _parse_word(text: str) -> str:
    if not text:
        raise UnreadableError("the value is empty", "write it, or leave the key out")
    if len(text) > 200 or not text.isprintable():
        raise UnreadableError(f"{shown(text)} is too long or not printable", "write at most 200 printable characters on one line")
    return text


def _parse_secret(text: str) -> str:
    """As a word, without ever showing it."""
    if not text:
        raise UnreadableError("the value is empty", "write it, or leave the key out")
    return text


def _parse_mac(text: str) -> str:
    mac = text.lower().replace("-", ":")
    if not _MAC.fullmatch(mac):
        raise UnreadableError(f"{shown(text)} is not a MAC address", "write it like 52:54:00:12:34:56")
    return mac


def parse_member(text: str) -> str:
    """One member of a conduit, by Crowbar's grammar or `mac=`, `pci=`, `lldp=SWITCH/PORT`. Raises UnreadableError."""
    kind, equals, value = text.partition("=")
    if not equals and _NIC_SPEED.fullmatch(text):
        return text
    if kind == "mac" and equals:
        return f"mac={_parse_mac(value)}"
    if (kind == "pci" and _PCI.fullmatch(value)) or (kind == "lldp" and _LLDP.fullmatch(value)):
        return text
    hint = "write speed and index like 1g1 or ?10g2 (`?` any speed, `+` or faster, `-` slower), mac=…, pci=… or lldp=SWITCH/PORT"
    raise UnreadableError(f"{shown(text)} names no network card", hint)


_WORD_SCHEMA: Final = {"type": ["string", "integer", "number"]}

Word = Annotated[str, BeforeValidator(_leaf(_parse_word)), WithJsonSchema(_WORD_SCHEMA)]
Secret = Annotated[str, BeforeValidator(_leaf(_parse_secret)), WithJsonSchema({"type": "string"})]
Mac = Annotated[str, BeforeValidator(_leaf(_parse_mac)), WithJsonSchema({"type": "string"})]
Member = Annotated[str, BeforeValidator(_leaf(parse_member)), WithJsonSchema({"type": "string"})]
AddressText = Annotated[Address, BeforeValidator(_leaf(parse_address)), WithJsonSchema({"type": "string"})]
SubnetText = Annotated[Subnet, BeforeValidator(_leaf(parse_subnet)), WithJsonSchema({"type": "string"})]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) or hasattr(value, "written") else value


class _MayBeEmpty:
    """A section whose key stands there without a value is an empty one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(lambda value: {} if value is None else value, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"type": "null"}]}


OneOrMoreWords = Annotated[
    list[Word],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [_WORD_SCHEMA, {"type": "array", "items": _WORD_SCHEMA, "minItems": 1}]}),
]
OneOrMoreMembers = Annotated[
    list[Member],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
EmptyMapping: Final = _MayBeEmpty()
