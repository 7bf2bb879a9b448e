"""What the catalogue of Snakemake workflows reads in the repository, and prints on the workflow's page."""

import re

import yaml

from secateur.study import settings
from support.studies import ROOT


def listed(rules, path=""):
    """(path, rule) of every setting that the catalogue lists: those under `properties`, of any depth."""
    for key, rule in rules.get("properties", {}).items():
        yield f"{path}{key}", rule
        yield from listed(rule, f"{path}{key}.")


def test_the_workflow_has_what_standardised_usage_asks_for():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) <= {"mandatory-flags", "software-stack-deployment"}
    assert usage["software-stack-deployment"] == {"conda": True, "report": True}
    assert not any(usage["mandatory-flags"].values())
    assert (ROOT / "workflow" / "Snakefile").is_file()
    # Repositories are found by these words.
    assert {"snakemake", "workflow"} <= set(re.findall(r"\w+", (ROOT / "README.md").read_text().lower()))


def test_the_page_of_settings_has_no_link_that_breaks_elsewhere():
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)]*)\)", text) + re.findall(r"""(?:href|src)=["']([^"']*)""", text)
    assert [target for target in targets if not target.startswith("https://")] == []


def test_the_schema_lies_where_the_catalogue_looks_and_makes_a_table():
    rules = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    assert rules == settings.schema()
    found = dict(listed(rules))
    assert {"study", "data.source", "model.name", "training.seeds", "retraining.levels"} <= set(found)
    assert [path for path, rule in found.items() if "type" not in rule or not rule.get("description")] == []
    # One line, and no bar, or the row of the table breaks.
    assert [path for path, rule in found.items() if re.search(r"[\n|]|\]\((?!https://)", rule["description"])] == []
    top = rules["properties"]
    assert [key for key in top if key not in rules["required"] and "default" not in top[key]] == []


def test_what_the_schema_allows_by_name_is_of_the_type_that_it_names():
    kinds = {"string": str, "null": type(None)}
    for path, rule in listed(settings.schema()):
        types = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        assert all(isinstance(value, tuple(kinds[name] for name in types)) for value in rule.get("enum", ())), path
