"""The workflow as others use it: a module from a hosting provider; here from a clone, so without a network."""

import os
import re
import shutil
import subprocess
import types

import jinja2
import pytest
import yaml

from secateur.artifacts import tables
from support.studies import PARTS, ROOT, Workflow

pytestmark = pytest.mark.study

SMALL = """
study: small
data: {source: digits, size: 16}
split: {rank: 60, validation: 60, test: 120}
model: {name: vgg_small, arguments: {widths: [4, 4, 6, 6, 8, 8], hidden: 12}}
training: {seeds: [0], epochs: 1, batch_size: 64, learning_rate: 0.05, flip: false, rotation: 0}
readings: {}
criteria: {statistics: [mean_abs], random: 1, controls: false}
levels: [0, 0.5]
"""
PROVIDER = "github.com/owner/secateur"
# A user has no copy of the package; the machine that runs the tests may.
WITHOUT_A_COPY = """
import sys
from pathlib import Path

sys.path[:] = [entry for entry in sys.path if not Path(entry, "secateur", "__init__.py").is_file()]
"""


def module(name, snakefile, config="config", prefix=None):
    """The statements of a user's Snakefile that use the workflow."""
    more = f'    prefix:\n        "{prefix}"\n' if prefix else ""
    text = f"module {name}:\n    snakefile:\n        {snakefile}\n    config:\n        {config}\n{more}\n\n"
    return text + f"use rule * from {name}{f' as {name}_*' if prefix else ''}\n\n\n"


def hosted(path="workflow/Snakefile", tag="v1"):
    return f'github("owner/secateur", path="{path}", tag="{tag}")'


class User(Workflow):
    """A folder with nothing but a Snakefile and its settings, and Snakemake run there."""

    def __init__(self, folder, provider, modules, config=SMALL):
        self.folder = folder
        (folder / "config").mkdir(parents=True)
        (folder / "config" / "config.yaml").write_text(config)
        (folder / "Snakefile").write_text(f'configfile: "config/config.yaml"\n\n\n{modules}')
        self.environment = os.environ | {"XDG_CACHE_HOME": str(provider.cache), "OMP_WAIT_POLICY": "PASSIVE"}
        self.environment |= {"PYTHONPATH": "", "GIT_TERMINAL_PROMPT": "0"}


class Provider:
    """Snakemake's cache with the clone that it would have made of the workflow as it is now, tag v1."""

    def __init__(self, folder):
        self.tree = Workflow(folder / "tree").folder
        self.cache = folder / "cache"
        self.sources = self.cache / "snakemake" / "snakemake" / "source-cache"
        self.clone = self.sources / "snakemake-git-cache" / PROVIDER
        self.git("init", "--quiet", "--initial-branch", "main")
        self.publish("v1")

    def publish(self, tag):
        """Commit the tree as it is, and put it under a tag into the clone; return the folder of its copy."""
        self.git("add", "--all", *PARTS)
        self.git("commit", "--quiet", "--allow-empty", "--message", tag)
        self.git("tag", tag)
        if not self.clone.exists():
            self.git("clone", "--quiet", "--bare", ".", self.clone)
        self.git("push", "--quiet", self.clone, "main", tag)
        return self.copy(tag)

    def copy(self, tag):
        """Where the files of a tag are put when a workflow uses it."""
        return self.sources / "secateur" / PROVIDER / self.git("rev-parse", tag).strip()

    def git(self, *arguments):
        who = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")
        return subprocess.run(["git", *who, *arguments], cwd=self.tree, check=True, text=True, stdout=-1).stdout


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    return Provider(tmp_path_factory.mktemp("provider"))


@pytest.fixture(scope="module")
def deployed(provider, tmp_path_factory):
    """A small study of the remote workflow in a folder of a user's, finished, with its report."""
    user = User(tmp_path_factory.mktemp("user"), provider, module("study", hosted()))
    user.copy = provider.copy("v1")
    # Jobs refuse an installed copy of the package, which would come first; the test below has none.
    user.environment["PYTHONPATH"] = str(user.copy / "workflow")
    user.run("--cores", "2", "all", "report")
    return user


def test_a_remote_module_runs_from_an_empty_folder(deployed):
    results = deployed.folder / "results"
    assert set(tables.read(results / "tables/curves.csv")["criterion"]) == {"weight.mean_abs", "random"}
    page = (results / "report.html").read_text()
    # The captions, and the source of a script, in colours.
    assert "System Message" not in page and "removed_shares</span>" in page
    assert deployed.planned("all", "report") == {}


def test_a_job_finds_the_package_where_none_is_installed(deployed, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_A_COPY)
    settings = deployed.folder / "results/settings.yaml"
    before = settings.read_text()
    only = ("--force", "results/settings.yaml", "--rerun-triggers", "mtime")
    deployed.run("--cores", "1", *only, cold=True, env={"PYTHONPATH": str(tmp_path)})
    assert settings.read_text() == before


def test_a_job_refuses_an_installed_copy(deployed, tmp_path):
    shutil.copytree(deployed.copy / "workflow" / "secateur", tmp_path / "secateur")
    only = ("--force", "results/settings.yaml", "--rerun-triggers", "mtime")
    text = deployed.run("--cores", "1", *only, check=False, env={"PYTHONPATH": str(tmp_path)})
    assert f"would run the copy of secateur in {tmp_path}/secateur, but the workflow's own is {deployed.copy}" in text


def test_another_deployment_of_the_same_files_reruns_nothing(deployed, provider):
    snakefile = deployed.folder / "Snakefile"
    before = snakefile.read_text()
    try:
        snakefile.write_text(before.replace(hosted(), f'"{provider.tree}/workflow/Snakefile"'))
        local = {"PYTHONPATH": str(provider.tree / "workflow")}
        triggers = ("--rerun-triggers", "mtime", "params", "input")
        assert "Nothing to be done" in deployed.run("-n", "all", "report", *triggers, env=local)
    finally:
        snakefile.write_text(before)


def test_two_modules_keep_their_settings_apart_whichever_their_entrance(provider, tmp_path):
    one, other = yaml.safe_load(SMALL), yaml.safe_load(SMALL)
    other |= {"study": "other", "training": other["training"] | {"seeds": [0, 1]}, "readings": {"relevance": {}}}
    paths = {"one": "Snakefile", "other": "workflow/Snakefile"}
    modules = "".join(module(name, hosted(path), f'config["{name}"]', prefix=name) for name, path in paths.items())
    both = modules + "rule all:\n    default_target: True\n    input:\n        rules.one_all.input,\n"
    both += "        rules.other_all.input,\n"
    user = User(tmp_path / "user", provider, both, yaml.safe_dump({"one": one, "other": other}))
    text = user.run("-n", "all")
    jobs = {rule: int(count) for rule, count in re.findall(r"^((?:one|other)_\w+) +(\d+)$", text, flags=re.M)}
    assert (jobs["one_train_model"], jobs["other_train_model"]) == (1, 2)
    assert "one_extract_relevance" not in jobs and jobs["other_extract_relevance"] == 2
    assert {"one/results/figures/study.html", "other/results/figures/study.html"} <= set(
        re.findall(r"\w+/results/figures/study.html", text)
    )


def test_the_front_page_is_made_where_the_settings_of_several_studies_are_one_file():
    # Snakemake gives the front page the whole Snakefile's settings, whichever module it comes from.
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string((ROOT / "report/study.rst").read_text())
    text = template.render(snakemake=types.SimpleNamespace(config={"one": yaml.safe_load(SMALL)}))
    assert text.strip().startswith("Each study page names the question")


def test_two_versions_in_one_snakefile_are_refused(provider, tmp_path):
    path = provider.tree / "workflow" / "secateur" / "__init__.py"
    path.write_text(path.read_text() + "# A later version.\n")
    provider.publish("v2")
    modules = module("one", hosted(), prefix="one") + module("other", hosted(tag="v2"), prefix="other")
    text = User(tmp_path / "user", provider, modules).run("-n", check=False)
    assert "This Snakefile uses two copies of secateur" in text


@pytest.mark.parametrize("name", ["cost.py", "config.schema.yaml"])
def test_a_file_that_a_commit_lacks_is_named(provider, tmp_path, name):
    path = next(path for path in provider.tree.rglob(name) if ".git" not in path.parts)
    kept = path.read_bytes()
    path.unlink()
    try:
        copy = provider.publish(f"without-{name}")
    finally:
        path.write_bytes(kept)
    user = User(tmp_path / "user", provider, module("study", hosted(tag=f"without-{name}")))
    lost = copy / path.relative_to(provider.tree)
    assert f"The workflow lacks its file {lost}; use a whole clone" in user.run("-n", check=False)


def test_what_a_copy_has_lost_or_has_otherwise_is_restored(deployed):
    lost, cut = deployed.copy / "envs" / "torch.yaml", deployed.copy / "workflow" / "train_model.py"
    kept = lost.read_bytes(), cut.read_bytes()
    lost.unlink()
    cut.write_bytes(bytes(reversed(kept[1])))
    deployed.run("--list-rules")
    assert (lost.read_bytes(), cut.read_bytes()) == kept
