"""Write the reference of every key into config/README.md, from the schema; `make docs` calls it."""

import json
from pathlib import Path

from secateur.study import settings

README = Path(__file__).resolve().parent.parent / "config" / "README.md"
BEGIN, END = "<!-- reference: made by make docs -->\n", "<!-- end of reference -->\n"


def reference(schema):
    """The schema as Markdown tables, one for each section."""
    top_level, sections = {}, []
    for key, rule in schema["properties"].items():
        if _is_section(rule):
            sections.append(_section(key, rule))
        else:
            top_level[key] = rule
    return "\n".join([f"### Top level\n\n{_table(top_level)}", *sections])


def updated(text, schema):
    """The text of config/README.md with the reference of this schema."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{reference(schema)}\n{END}{after}"


def _is_section(rule):
    return rule.get("type") in ("object", ["object", "null"])


def _section(key, rule):
    """A section's title, description and table; one whose keys the user names is KEY.NAME."""
    title, keyed = key, rule
    if "properties" not in rule:
        title, keyed = f"{key}.NAME", rule["additionalProperties"]
    description = ""
    if "description" in rule:
        description = f"{rule['description']}\n\n"
    return f"### `{title}`\n\n{description}{_table(_keys(keyed))}{_items(key, keyed)}{_named(key, keyed)}"


def _items(key, rule):
    """A table for every list of sections in a section: the keys of one item, in which some have a default."""
    text = ""
    for inner, value in rule["properties"].items():
        keys = value.get("items", {}).get("properties", {})
        if any("default" in nested for nested in keys.values()):
            text += f"\nAn item of `{key}.{inner}`:\n\n{_table(_keys(value['items']))}"
    return text


def _named(key, rule):
    """A section for every key of a section whose own keys the user names."""
    text = ""
    for inner, value in rule["properties"].items():
        if isinstance(value.get("additionalProperties"), dict) and "properties" in value["additionalProperties"]:
            text += f"\n{_section(f'{key}.{inner}', value)}"
    return text


def _keys(rule):
    """{key: its rule} of a section; keys of an inner section are written KEY.INNER."""
    keys = {}
    for key, value in rule["properties"].items():
        if value.get("properties"):
            for inner, nested in value["properties"].items():
                keys[f"{key}.{inner}"] = nested
        else:
            keys[key] = value
    return keys


def _table(keys):
    lines = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for key, rule in keys.items():
        lines.append(f"| `{key}` | {_allowed(rule)} | {_default(rule)} | {rule['description']} |")
    return "\n".join(lines) + "\n"


def _allowed(rule):
    """The values that a key may have, in words."""
    if "enum" in rule:
        return ", ".join(map(_quoted, rule["enum"]))
    if "items" in rule:
        return _list(rule)
    kinds = rule["type"]
    if isinstance(kinds, list):
        kinds = " or ".join(kinds)
    words = [kinds]
    for key, sign in BOUNDS.items():
        if key in rule:
            words.append(f"{sign} {rule[key]}")
    return " ".join(words)


def _list(rule):
    text = f"list of: {_allowed(rule['items'])}"
    for kind in ("null", "string", "boolean"):
        if kind in rule["type"]:
            text += f", or {kind}"
    return text


BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _default(rule):
    if "default" not in rule:
        return ""
    return _quoted(rule["default"])


def _quoted(value):
    if isinstance(value, str):
        return f"`{value}`"
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8"), settings.schema()), encoding="utf-8")
