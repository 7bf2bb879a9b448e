"""Profiles and their README agree with the rules; nothing is submitted."""

import pytest

from support import asked
from support.studies import ROOT

# What the profiles share, whatever takes the jobs.
SHARED = ("retries", "rerun-triggers", "resources", "set-resource-scopes", "groups", "group-components")


def test_the_table_of_the_readme_is_that_of_the_rules():
    text = (ROOT / "profiles" / "README.md").read_text(encoding="utf-8")
    assert "\n".join(asked.table()) in text


def test_rules_that_may_use_a_gpu_ask_for_one_and_no_others():
    rules = asked.of_rules()
    using = {name for name, rule in rules.items() if "devices.chosen(" in (ROOT / rule.script).read_text()}
    assert len(using) > 12
    assert {name for name, rule in rules.items() if rule.gpu} == using


@pytest.mark.parametrize("name", ["slurm", "generic"])
def test_groups_are_of_small_jobs_and_have_a_size(name):
    profile, rules = asked.profile(name), asked.of_rules()
    assert set(profile["groups"]) <= set(rules)
    for rule in profile["groups"]:
        assert (rules[rule].cores, rules[rule].memory, rules[rule].gpu) == ("1", 2000, False)
    assert set(profile["groups"].values()) == set(profile["group-components"])


def test_the_profiles_of_clusters_differ_in_their_executor_alone():
    slurm, generic = asked.profile("slurm"), asked.profile("generic")
    assert {key: slurm[key] for key in SHARED} == {key: generic[key] for key in SHARED}
    assert slurm["default-resources"].items() <= generic["default-resources"].items()
