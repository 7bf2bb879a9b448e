"""Write the reference of every key into config/README.md, from the schema; `make docs` calls it."""

import json
from pathlib import Path

from secateur.study import settings

README = Path(__file__).resolve().parent.parent / "config" / "README.md"
BEGIN, END = "<!-- reference: made by make docs -->\n", "<!-- end of reference -->\n"


def reference(schema):
    """The schema as Markdown tables, one for each section."""
    own = {key: rule for key, rule in schema["properties"].items() if not _is_section(rule)}
    parts = [f"### Top level\n\n{_table(own, '')}"]
    for key, rule in schema["properties"].items():
        if _is_section(rule):
            name = key if "properties" in rule else f"{key}.NAME"
            parts.append(f"### `{name}`\n\n{_describe(rule)}{_table(_keys(rule), '')}")
    return "\n".join(parts)


def updated(text, schema):
    """The text of config/README.md with the reference of this schema."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{reference(schema)}\n{END}{after}"


def _is_section(rule):
    return rule.get("type") in ("object", ["object", "null"])


def _keys(rule):
    inner = rule if "properties" in rule else rule["additionalProperties"]
    found = {}
    for key, value in inner["properties"].items():
        nested = {f"{key}.{k}": v for k, v in value["properties"].items()} if "properties" in value else {}
        found |= nested or {key: value}
    return found


def _describe(rule):
    return f"{rule['description']}\n\n" if "description" in rule else ""


def _table(keys, prefix):
    rows = [
        f"| `{prefix}{key}` | {_allowed(rule)} | {_default(rule)} | {rule['description']} |"
        for key, rule in keys.items()
    ]
    return "\n".join(["| key | value | default | what it is |", "| --- | --- | --- | --- |", *rows]) + "\n"


def _allowed(rule):
    if "enum" in rule:
        return ", ".join(f"`{_text(value)}`" for value in rule["enum"])
    if "items" in rule:
        others = "".join(f", or {kind}" for kind in ("null", "string") if kind in rule["type"])
        return f"list of: {_allowed(rule['items'])}{others}"
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    bounds = [f"{sign} {rule[key]}" for key, sign in BOUNDS.items() if key in rule]
    return " ".join([" or ".join(kinds), *bounds])


BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _default(rule):
    return f"`{_text(rule['default'])}`" if "default" in rule else ""


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8"), settings.schema()), encoding="utf-8")
