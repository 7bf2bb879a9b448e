"""The documentation says what the code does."""

import importlib.util
import itertools
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pandas
import pytest
import yaml

from secateur.analysis.results import Results
from secateur.figures import page_parts
from secateur.study import criteria_names, page_options, settings
from secateur.study.study import Study
from secateur.verdicts import judging as verdicts_judging
from secateur.verdicts import thesis_claims, thesis_numbers
from support.studies import ROOT


def loaded(path):
    """A module of docs/, which is no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def writer():
    return loaded(ROOT / "docs" / "write_config_reference.py")


def test_the_reference_of_keys_is_that_of_the_schema():
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    assert text == writer().updated(text, settings.schema()), "run make docs"


def test_every_shipped_study_is_valid(tmp_path, monkeypatch):
    # Where a study looks for its weights and scorers; that there are any is for the user to see to.
    monkeypatch.setenv("SECATEUR_DATA", str(tmp_path))
    for name in ("vgg16_bn-cifar10.pt", "resnet20-12fca82f.th", "resnet56-4bfd9763.th"):
        (tmp_path / name).touch()
    for path in [ROOT / "config" / "config.yaml", *(ROOT / "config" / "studies").glob("*.yaml")]:
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name in scorers(study):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        settings.checked(study)


def scorers(study):
    """The files of scorers that a study takes from others."""
    for entry in study.get("criteria", {}).get("learned", []):
        for seed in study["training"]["seeds"]:
            if "file" in entry:
                yield entry["file"].replace("{seed}", str(seed))


def test_scorers_from_elsewhere_are_those_that_another_shipped_study_fits():
    paths = (ROOT / "config" / "studies").glob("*.yaml")
    studies = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths]
    fitted = set()
    for study in studies:
        place = f"{study['results']}/{study['data'].get('name', study['data']['source'])}/{study['model'].get('name')}"
        for entry in study.get("criteria", {}).get("learned", []):
            if entry["name"].startswith("scorer.") and "file" not in entry:
                fitted |= {f"{place}/{seed}/selection/{entry['name']}.0.pt" for seed in study["training"]["seeds"]}
    taken = set(itertools.chain.from_iterable(map(scorers, studies)))
    assert taken and taken <= fitted


def test_no_shipped_study_needs_a_processor_with_bfloat16():
    for path in [ROOT / "config" / "config.yaml", *(ROOT / "config" / "studies").glob("*.yaml")]:
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
        parts = [study.get("training"), study.get("retraining"), *study.get("readings", {}).values()]
        assert {(part or {}).get("precision", "float32") for part in parts} == {"float32"}, path.name
        assert study.get("evaluation", {}).get("precision", "auto") in ("auto", "float32"), path.name


def measured(config):
    """What a study will have measured, with the same answers everywhere."""
    planned, levels = criteria_names.of(config), config["levels"]
    shown = [("test", planned), (config["evaluation"]["choose_on"], criteria_names.choosing(config, planned))]
    pairs = [(split, criterion) for split, names in shown for name in names for criterion in planned[name]]
    cells = [
        {"split": split, "criterion": criterion, "seed": seed, "level": float(level)}
        for split, criterion in pairs
        for seed in config["training"]["seeds"]
        for level in levels
    ]
    classes = {f"accuracy.{name}": 0.5 for name in range(10)}
    shown = {"recovery": "none", "keep_at_least": "0"}
    constant = {**shown, "images": 8, "loss": 1.0, "accuracy": 0.5, "empty": "", **classes}
    right = np.tile(np.arange(8) % 2 == 0, (len(levels), 1))
    return Results(pandas.DataFrame(cells).assign(**constant), dict.fromkeys(pairs, right))


def judging():
    """The shipped studies that judge the thesis, {name: settings as they are in the file}."""
    paths = sorted((ROOT / "config" / "studies").glob("*.yaml"))
    shipped = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths}
    return {name: study for name, study in shipped.items() if "verdict" in study}


@pytest.mark.parametrize("name", judging())
def test_a_shipped_study_can_test_every_claim_of_its_page(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SECATEUR_DATA", str(tmp_path))
    (tmp_path / "vgg16_bn-cifar10.pt").touch()
    config = settings.checked(judging()[name])
    options = page_options.verdict(Study(config), {})
    printed = thesis_numbers.read(ROOT / "report" / "thesis.csv")
    chosen = (options["verdict"], options["choose_on"], options["criteria"])
    found = verdicts_judging.judge(thesis_claims.of_settings(measured(config), printed, *chosen), 0.05, 100, 0)
    assert {one.name for one in found} == set(thesis_claims.CLAIMS)
    assert [(one.name, one.reading, one.missing) for one in found if one.missing] == []


def test_the_page_on_the_thesis_is_about_one_foreign_network_and_several_trainings():
    studies = judging()
    first = next(study for study in studies.values() if study["verdict"]["page"] == "docs/thesis.md")
    others = [study for study in studies.values() if study["results"] in first["verdict"]["beside"]]
    assert first["training"]["epochs"] == 0
    assert [len(study["training"]["seeds"]) >= 3 for study in others] == [True]


def test_every_named_study_has_results_of_its_own():
    studies = [
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "config" / "studies").glob("*.yaml")
    ]
    # Scorers that are moved to a network are tried on the networks of the study that it is named after.
    folders = [study["results"] for study in studies if f"{study['results']}-moved" != f"results/{study['study']}"]
    assert len(set(folders)) == len(folders) and "results" not in folders


def test_environments_ask_for_the_versions_that_the_package_declares():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["workflow"], *extras["export"]]
    for path in (ROOT / "envs").glob("*.yaml"):
        wanted = []
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]:
            wanted += entry["pip"] if isinstance(entry, dict) else [entry]
        versions = [entry.replace(" ", "") for entry in wanted if entry.split()[0] not in ("python", "pip")]
        assert [version for version in versions if version not in declared] == [], path.name


def test_the_tested_versions_lie_within_the_declared_ranges():
    import re
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "constraints.txt").read_text().lower()
    pins = dict(re.findall(r"^([\w.-]+)==([\w.+]+)$", text, flags=re.M))
    for text in [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[requirement.name.lower()]), text


def test_every_profile_states_what_decides_reruns():
    for path in (ROOT / "profiles").glob("*/config.yaml"):
        assert yaml.safe_load(path.read_text())["rerun-triggers"] == ["mtime", "params", "input"], path


def test_every_benchmark_that_a_page_names_exists():
    import re

    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        named = re.findall(r"benchmarks/\w+\.py", path.read_text(encoding="utf-8"))
        assert [name for name in named if not (ROOT / name).is_file()] == [], path.name


def test_numbers_of_conservation_name_their_command():
    text = (ROOT / "docs" / "relevance.md").read_text(encoding="utf-8")
    for number in ("17,546", "11.0 %", "1.22 %"):
        paragraph = next(part for part in text.split("\n\n") if number in part)
        assert "benchmarks/conservation.py" in paragraph, number


def test_every_path_that_the_docs_name_exists():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "config" / "README.md"]
    folders = "workflow|tests|rules|docs|config|benchmarks|report|profiles|envs"
    for page in pages:
        text = page.read_text(encoding="utf-8")
        # Not inside a longer path or address, and without a placeholder such as NAME, * or {criterion}.
        named = re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./-]+)(?![\w./*{{<-])", text)
        real = (path for path in named if not re.search(r"[A-Z]{3,}(?!\.md)|\.\.\.", path))
        missing = {path for path in real if not (ROOT / path.rstrip("./")).exists()}
        assert not missing, f"{page.name}: {sorted(missing)}"


def test_make_site_refuses_what_leads_nowhere_and_a_page_without_a_place(tmp_path):
    pytest.importorskip("sphinx", reason="make site installs it")
    shutil.copytree(ROOT / "docs" / "site", tmp_path / "docs" / "site")
    places = loaded(ROOT / "docs" / "site" / "conf.py").NAVIGATION.values()
    for path in [*itertools.chain.from_iterable(map(dict.values, places)), "docs/unplaced"]:
        (tmp_path / f"{path}.md").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{path}.md").write_text("# A page\n\n## Its part\n")
    (tmp_path / "docs" / "export.md").unlink()
    links = "[](docs/none.md) [](docs/units.md#no-part) [](#nowhere) [](rules/none.smk) ![](docs/none.svg)"
    (tmp_path / "README.md").write_text(f"# Front\n\n{links} [right](docs/units.md#its-part)\n")
    command = next(line for line in (ROOT / "Makefile").read_text().splitlines() if "-m sphinx" in line)
    done = subprocess.run([sys.executable, *shlex.split(command)[1:]], cwd=tmp_path, capture_output=True, text=True)
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line]
    faults = ("docs/none.md", "no-part", "nowhere", "rules/none.smk", "docs/none.svg", "unplaced", "docs/export")
    assert done.returncode == 1 and len(warnings) == len(faults)
    assert [fault for fault in faults if fault not in done.stderr] == []


def test_the_lines_that_add_a_figure_add_one(monkeypatch):
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8").partition("## Adding a figure")[2]
    code = re.search(r"```python\n(.*?)```", text, flags=re.S)[1]
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 24
    names = {"_front": lambda picked, study, of_family: ["l1"]}
    exec(code, names)
    monkeypatch.setitem(page_parts.HEADINGS, "loss", "Loss")
    rows = pandas.DataFrame({"criterion": ["l1", "l1", "random"], "level": [0, 0.5, 0.5], "loss": [0.1, 2.5, 3.25]})
    section = names["loss"](None, None, rows, {"l1": "weight_scores", "random": "random"})
    assert section.startswith('<section id="loss"><h2>Loss</h2><p><b>The loss goes up to 3.2 nats.')
    assert set(re.findall(r'class="line" data-c="(.*?)" data-f="(.*?)"', section)) == {
        ("l1", "weight_scores"),
        ("random", "random"),
    }
    assert names["loss"](None, None, rows.assign(loss=float("nan")), {}) == ""
