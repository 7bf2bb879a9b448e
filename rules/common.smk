# Shared by all rules: the checked study, the digests that decide reruns, and helpers.
import gc
import re
import shutil
import sys
from pathlib import Path

import psutil
from snakemake import __version__ as snakemake_version
from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import min_version

min_version("9.27")

# The jobs of a graph live to its end: looking for garbage among them took a tenth of the time in which it is planned.
gc.set_threshold(200_000, 50, 50)

sys.path.insert(0, str(ROOT / "workflow"))

import secateur

# Python imports a package once, so the modules of one Snakefile cannot have versions of their own.
if Path(secateur.__file__).resolve() != (ROOT / "workflow" / "secateur" / "__init__.py").resolve():
    raise WorkflowError(
        f"This Snakefile uses two copies of secateur, {Path(secateur.__file__).parents[2]} and {ROOT}; "
        "give all its modules of secateur one snakefile, with one tag"
    )

from secateur import Refused
from secateur.artifacts import code_cache, plain_yaml, stamps
from secateur.images import image_folder
from secateur.jobs import runs
from secateur.study import contents, page_options, stage_files, stage_options, study_file, vocabulary
from secateur.study.study import Study


def another_snakemake():
    """True if another Snakemake runs in this folder; those that started this one do not count."""
    here, this = str(Path.cwd()), psutil.Process()
    own = {process.pid for process in (this, *this.parents())}
    for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
        facts = process.info
        if facts["pid"] not in own and facts["cwd"] == here and runs.is_snakemake(facts["cmdline"] or []):
            return True
    return False


# Snakemake's own message says neither what is missing nor what else would do.
if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method and shutil.which("conda") is None:
    raise WorkflowError(
        "--use-conda (--sdm conda): there is no command conda here; install Miniforge (conda-forge.org/download), or "
        "leave the option out: jobs then run by the Python of this Snakemake, with what `make study` or "
        'pip install ".[workflow]" put there'
    )

if workflow.workflow_settings.cache is not None:
    raise WorkflowError(
        "--cache: Snakemake's cache between workflows does not see all that a network depends on; leave it out, and "
        "give studies that shall share networks the same results folder (docs/sharing.md)"
    )

if workflow.is_main_process:
    unlocked = runs.begin(".snakemake", another_snakemake)
    if unlocked:
        logger.info(unlocked)
elif workflow.remote_exec:
    # On a node of a cluster its jobs end with this process, whatever becomes of the one that submitted it.
    runs.tell_jobs()


onstart:
    # Its limit of jobs a second is meant for the queue of a cluster. For it, Snakemake looks at all waiting jobs once a
    # second, and once more for every job that has ended: with hundreds of them a quarter of a core is busy with that.
    limiter = workflow.scheduler.job_rate_limiter
    if workflow.local_exec and limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        # The default; a limit that the user gave stays.
        workflow.scheduler.job_rate_limiter = None


# Snakemake's own loader takes the last of two equal keys.
for path in dict.fromkeys(map(Path, [*workflow.configfiles, *workflow.overwrite_configfiles])):
    try:
        study_file.refuse_twice(path)
    except Refused as error:
        raise WorkflowError(f"The study's settings: {path}: {error}") from None

try:
    STUDY = Study.of(config)
except FileNotFoundError as error:
    raise lacking(error.filename) from None
except Refused as error:
    raise WorkflowError(f"The study's settings: {error}") from None
if workflow.is_main_process:
    another = study_file.other_study(Path(STUDY.settings["results"], "settings.yaml"), STUDY.settings["study"])
    if another and not STUDY.compare:
        logger.info(
            f"{STUDY.settings['results']} holds the study {another} too: its tables, figures and report are replaced by "
            "those of this one; images, networks and relevance of equal settings are shared (docs/sharing.md)."
        )
# In place: captions and the report read the defaults from it too.
config.clear()
config.update(STUDY.settings)

# Beside the copies of hosted workflows, where all runs of this user look.
CODE = code_cache.Digests(ROOT / "workflow", workflow.sourcecache.cache_path / "secateur" / "code")

# The folder of one training, below the results and below the logs.
OF_A_NETWORK = "{dataset}/{model}/{seed}"


def of_networks(path, **names):
    """A path below the folder of a network, for every network of the study."""
    places = {"dataset": STUDY.dataset, "model": STUDY.model, "seed": STUDY.seeds}
    return expand(f"<results>/{OF_A_NETWORK}/{path}", **places, **names)


def made_by(script, environment):
    """Params: digests of all code that a script can reach, and of what its environment asks for."""
    file = ROOT / "envs" / f"{environment}.yaml"
    try:
        return {
            "code": CODE.of_script(script),
            # Comments do not count.
            "environment": stamps.digest(plain_yaml.parsed(file.read_text(encoding="utf-8"))),
        }
    except FileNotFoundError as error:
        raise lacking(error.filename) from None


def table(stem):
    """Outputs: a table and the manifest beside it."""
    return {"table": f"{stem}.csv", "manifest": f"{stem}.json"}


def evaluation(stem):
    """Outputs: the table of an evaluation, the answers and losses of all images, and the manifest."""
    return {**table(stem), "bits": f"{stem}.h5"}


def figure(name, caption, category, numbers="data", **labels):
    """Outputs: a figure and the page of its numbers; captions are named by their files in report/."""
    picture = {"caption": f"../report/{caption}.rst", "labels": {**labels, "kind": "figure"}}
    page = {"caption": f"../report/{numbers}.rst", "labels": {**labels, "kind": "the numbers"}}
    return {
        "figure": report(f"<results>/figures/{name}.svg", category=category, **picture),
        "page": report(f"<results>/figures/{name}.html", category=category, **page),
    }


def figures(stem, **names):
    """Paths of figures and of the pages of their numbers, for all values of the names in a stem below figures/."""
    return expand(f"<results>/figures/{stem}.{{kind}}", kind=["svg", "html"], **names)


def page(name, caption, category, label):
    """Output: one page of the report."""
    return report(
        f"<results>/{name}.html", caption=f"../report/{caption}.rst", category=category, labels={"page": label}
    )


def exported(stem, **labels):
    """Outputs: a network as files that stand alone, its latency and its card."""
    labels |= {"seed": "{seed}"}
    return {
        "weights": f"{stem}/weights.safetensors",
        "architecture": f"{stem}/architecture.json",
        "program": f"{stem}/model.pt2",
        "onnx": f"{stem}/model.onnx",
        "latency": f"{stem}/latency.csv",
        "card": f"{stem}/README.md",
        "page": report(f"{stem}/card.html", caption="../report/export_model.rst", category="Export", labels=labels),
        "manifest": f"{stem}/manifest.json",
    }


def growing(amount):
    """Memory or time that a job asks for: the amount, and as much again with each attempt after a failed one."""

    def at_attempt(wildcards, attempt):
        return amount * attempt

    return at_attempt


def gpus(wildcards):
    """GPUs that a job asks of a cluster."""
    return 1 if config["device"] == "cuda" else 0


def image_options():
    """The options of the images; a folder of the user's own counts by its listing."""
    data = config["data"]
    if data["source"] != "image_folder":
        return stage_options.images(STUDY)
    try:
        return stage_options.images(STUDY, image_folder.listing_digest(data["folder"]))
    except Refused as error:
        raise WorkflowError(f"The study's settings: {error}") from None


def digest_of_texts(pattern):
    """Texts in report/ that results depend on: as inputs they would count by time stamp."""
    return stamps.digest({path.name: path.read_text(encoding="utf-8") for path in (ROOT / "report").glob(pattern)})


def verdict_options():
    """The options of the verdict's page."""
    shipped = (ROOT / "config" / "studies").glob("*.yaml")
    paths = {path.stem: f"config/studies/{path.name}" for path in shipped}
    return page_options.verdict(STUDY, paths) | {"typed": digest_of_texts("thesis.*")}


def refuse_no_two(wildcards):
    """The input of a comparison that names no studies: none."""
    raise WorkflowError(
        "name two results folders to compare, in a file (docs/compare.md) or: "
        "snakemake --cores 1 compare --config compare='{a: results/one, b: results/two}'"
    )


def refuse_unlike(wildcards):
    """The input of a comparison: none; WorkflowError for two studies that cannot be compared.

    A refusal by the job would come too late: Snakemake takes away the page of an earlier comparison before it.
    """
    if not workflow.is_main_process:
        return []
    try:
        # With the tables come libraries that no other target needs here, and that a Snakemake with conda may lack.
        from secateur.results import comparing
    except ModuleNotFoundError:
        return []
    try:
        comparing.opened(STUDY.compare["a"], STUDY.compare["b"])
    except Refused as error:
        raise WorkflowError(f"compare: {error}") from None
    return []


def compare_options():
    """The options of a comparison: its folders count by what they hold, because their files are no inputs.

    As inputs they would be made by this study's rules, where the results folder of one is that of this study.
    """
    folders = {key: STUDY.compare[key] for key in ("a", "b")}
    return folders | {"contents": contents.of_results(*folders.values()), "texts": digest_of_texts("study.[cj]s*")}


def alternatives(names):
    """A wildcard's pattern that matches these names only."""
    return "|".join(re.escape(str(name)) for name in names) or "(?!)"


wildcard_constraints:
    dataset=alternatives([STUDY.dataset]),
    model=alternatives([STUDY.model]),
    seed=r"\d+",
    split=alternatives(vocabulary.SPLITS),
    reading=alternatives(STUDY.readings),
    source=alternatives(STUDY.sources),
    family=alternatives({**STUDY.evaluated, **STUDY.choosing}),
    statistic=alternatives(vocabulary.STATISTICS),
    score=alternatives(vocabulary.WEIGHT_SCORES + vocabulary.IMAGE_SCORES),
    scored=alternatives(STUDY.scored),
    controlled=alternatives(STUDY.controlled),
    entry=alternatives(STUDY.entries),
    learned=alternatives(STUDY.learned),
    scorer=alternatives(STUDY.scorers),
    given=alternatives(STUDY.files),
    weights="weight|weight_folded",
    variant=alternatives(STUDY.variants),
    sparse_figure=alternatives(STUDY.sparse_figures),
    round=alternatives(STUDY.rounds),
    ticket_figure=alternatives(STUDY.ticket_figures),
    mixture=alternatives(STUDY.mixtures),
    allocated=alternatives(STUDY.allocated.values()),
    rescored=alternatives(STUDY.rescored),
    delta=r"[01](\.\d+)?",
    shard=r"\d+",
    shards=r"\d+",
    download="cifar10|cifar100",
