# Where the workflow's own files lie: beside this one, or, for a module that comes from a hosting provider, in a copy of
# its commit on this machine. Snakemake fetches such a workflow file by file, which a package cannot be imported from.
import ast
import importlib
import io
import os
import tarfile
import tempfile
from pathlib import Path
from urllib.parse import quote

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import HostingProviderFile, LocalSourceFile


def own_folder(rules):
    """The folder of all that the workflow ships, from the folder of this file as Snakemake names it."""
    if isinstance(rules, LocalSourceFile):
        return Path(str(rules)).parent
    if not isinstance(rules, HostingProviderFile):
        raise WorkflowError(
            f"secateur cannot be used from {rules}, where its files cannot be listed; "
            "give the module's snakefile as github(...), gitlab(...) or the path of a clone"
        )
    name = quote(f"{rules.host}/{rules.repo}@{rules.ref}", safe="")
    # All jobs of a run see this folder, so that they have one commit, even of a branch that moves on meanwhile.
    note = Path(workflow.sourcecache.runtime_cache_path) / "secateur" / name
    if not note.is_file():
        write_whole(note, os.fsencode(copied(rules)))
    return Path(os.fsdecode(note.read_bytes())) / Path(rules.path).parent


def copied(rules):
    """The folder with the files of a hosted commit; what it lacks, or has otherwise than the commit, is put there."""
    if not rules.hosted_repo.ref_exists(rules.commit, rules.tag or rules.branch):
        raise WorkflowError(
            f"the clone of {rules.host}/{rules.repo} has no {rules.ref}; name a tag, branch or commit of it"
        )
    repository = rules.hosted_repo.repo
    commit = repository.commit(rules.ref).hexsha
    folder = workflow.sourcecache.cache_path / "secateur" / rules.host / rules.repo / commit
    packed = io.BytesIO()
    repository.archive(packed, commit)
    packed.seek(0)
    with tarfile.open(fileobj=packed) as archive:
        for member in filter(tarfile.TarInfo.isfile, archive):
            path, content = folder / member.name, archive.extractfile(member).read()
            if not path.is_file() or path.read_bytes() != content:
                write_whole(path, content, member.mtime)
    # Python remembers of a folder on its search path that it was not there.
    importlib.invalidate_caches()
    refuse_holes(folder / Path(rules.path).parent / "workflow")
    return folder


def write_whole(path, content, time=None):
    """Write a file that others see whole or not at all, because other processes may do and read the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as temporary:
        temporary.write(content)
    Path(temporary.name).chmod(0o644)
    if time is not None:
        # That of the commit, whichever machine fetched it: scripts count by their time where no profile says otherwise.
        os.utime(temporary.name, (time, time))
    Path(temporary.name).replace(path)


def refuse_holes(folder):
    """WorkflowError for what a script or the package itself imports from the package, if its file is not there."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("secateur."):
                for alias in node.names:
                    refuse_hole(folder.joinpath(*node.module.split(".")), alias.name)


def refuse_hole(place, name):
    """The same for one name out of a place, a module or a package; a package has modules, and names of its own."""
    own, inner = place / "__init__.py", place / f"{name}.py"
    if not place.is_dir():
        missing = None if place.with_suffix(".py").is_file() else place.with_suffix(".py")
    elif inner.is_file() or (place / name).is_dir():
        missing = None
    else:
        defined = compile(own.read_bytes(), str(own), "exec").co_names if own.is_file() else ()
        missing = None if name in defined else inner
    if missing:
        raise lacking(missing)


def lacking(file):
    """The error for a file that should have come with the workflow."""
    return WorkflowError(f"The workflow lacks its file {file}; use a whole clone, or the tag of a release")


ROOT = own_folder(workflow.current_basedir)
