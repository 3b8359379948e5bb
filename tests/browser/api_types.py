"""The types of the API for the pages, made from its description.

`python -m tests.browser.api_types > webui/types/api.d.ts`
"""

import re
import sys
from typing import Any

from cmdexec.protocol.openapi import document

NEEDED = (
    "MeView", "NewJob", "JobView", "JobsPage", "CancelView", "WorkersView", "NewJoinToken", "JoinTokensView",
    "ErrorView",
)  # fmt: skip
"""What the pages name; what these name comes with them."""

HEAD = "// Made from the description of the API by `python -m tests.browser.api_types`; a test holds it to that.\n"


def types() -> str:
    """The whole file."""
    schemas = document()["components"]["schemas"]
    found: dict[str, str] = {}
    waiting = list(NEEDED)
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        found[name] = f"export interface {name} {_type(schemas[name])}\n"
        waiting += (one for one in re.findall(r"\w+", found[name]) if one in schemas)
    return "\n".join([HEAD, *(found[name] for name in sorted(found))])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(f"'{one}'" for one in schema["enum"])
    kind = schema.get("type")
    if kind == "object" and schema.get("properties"):
        needed = set(schema.get("required", ()))
        lines = [
            f"  {name}{'' if name in needed else '?'}: {_type(one)};\n" for name, one in schema["properties"].items()
        ]
        return "{\n" + "".join(lines) + "}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {_type(values) if isinstance(values, dict) and values else 'any'}>"
    if kind == "array":
        return _array(schema)
    names = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
    return names.get(str(kind), "any")


def _array(schema: dict[str, Any]) -> str:
    parts, items = schema.get("prefixItems"), schema.get("items")
    if parts and not isinstance(items, dict):
        return f"[{', '.join(_type(one) for one in parts)}]"
    inner = _type(items) if isinstance(items, dict) else "any"
    return f"({inner})[]" if "|" in inner else f"{inner}[]"


if __name__ == "__main__":
    sys.stdout.write(types())
