"""A stand-in for the conda command line, over a real solver and a channel of empty packages.

No conda channel can be reached where the tests run, so `snakemake --use-conda` meets this instead of conda: it
answers what Snakemake asks, solves each environment file with py-rattler against a `file://` channel, and installs
what was solved. The packages of that channel hold the right names and versions and no files, but for `python`,
which hands over to the interpreter of the tests; pip then finds its section installed already. What the tests have
installed of this package itself would not be in a conda environment, so `python` sees the scripts' own first.
"""

import asyncio
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import yaml

HOME = Path(__file__).resolve().parent


def channel(folder, environments, scripts):
    """Make the channel: one package for every name that an environment asks for, as it is installed here."""
    names = set()
    for path in environments:
        names.update(spec.split()[0] for spec in _specs(path))
    records = {}
    (folder / "noarch").mkdir(parents=True)
    (folder / "linux-64").mkdir()
    for name in sorted(names):
        if name == "python":
            version = ".".join(map(str, sys.version_info[:3]))
            files = {"bin/python": f'#!/bin/sh\nPYTHONPATH="{scripts}" exec "{sys.executable}" "$@"\n'}
        else:
            version, files = metadata.version(name), {}
        file, record = _package(folder / "linux-64", name, version, files)
        records[file] = record
    for place, packages in (("linux-64", records), ("noarch", {})):
        text = json.dumps({"info": {"subdir": place}, "packages": packages, "packages.conda": {}})
        (folder / place / "repodata.json").write_text(text)


def _specs(path):
    """The conda packages of an environment file, without those of its pip section."""
    return [entry for entry in yaml.safe_load(path.read_text())["dependencies"] if isinstance(entry, str)]


def _package(folder, name, version, files):
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": [], "subdir": "linux-64"}
    paths = [
        {"_path": path, "path_type": "hardlink", "sha256": _sha256(text), "size_in_bytes": len(text)}
        for path, text in files.items()
    ]
    about = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/files": "".join(f"{path}\n" for path in files),
    }
    file = folder / f"{name}-{version}-0.tar.bz2"
    with tarfile.open(file, "w:bz2") as archive:
        for path, text in {**about, **files}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            if path.startswith("bin/"):
                entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))
    data = file.read_bytes()
    return file.name, index | {"sha256": _sha256(data), "md5": hashlib.md5(data).hexdigest(), "size": len(data)}


def _sha256(data):
    if isinstance(data, str):
        data = data.encode()
    return hashlib.sha256(data).hexdigest()


def command(folder, channel):
    """Put a `conda` and its `activate` into folder/bin; return that bin."""
    place = folder / "bin"
    place.mkdir(parents=True)
    (place / "conda").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{HOME}/conda_standin.py" "{folder}" "{channel}" "$@"\n'
    )
    (place / "activate").write_text('export CONDA_PREFIX="$1"\nexport PATH="$1/bin:$PATH"\n')
    (place / "conda").chmod((place / "conda").stat().st_mode | stat.S_IEXEC)
    return place


def main(prefix, channel, *arguments):
    """Answer one call of conda."""
    text = " ".join(arguments)
    if text == "--version":
        print("conda 26.7.1")
    elif text == "info --json":
        print(json.dumps({"conda_prefix": prefix, "conda_version": "26.7.1", "platform": "linux-64"}))
    elif text.startswith("config --get channel_priority"):
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif text.startswith("env create"):
        _create(channel, Path(_option(text, "file")), Path(_option(text, "prefix")))
    elif not text.startswith("clean"):
        sys.exit(f"the stand-in for conda does not know: conda {text}")


def _option(text, name):
    return re.search(rf"--{name}[ =]\"?([^ \"]+)", text).group(1)


def _create(channel, file, prefix):
    asyncio.run(_install(channel, _specs(file), prefix))
    for entry in yaml.safe_load(file.read_text())["dependencies"]:
        if isinstance(entry, dict):
            subprocess.run([prefix / "bin/python", "-m", "pip", "install", "--quiet", *entry["pip"]], check=True)


async def _install(channel, specs, prefix):
    import rattler

    records = await rattler.solve(
        sources=[rattler.Channel(channel)],
        specs=specs,
        gateway=rattler.Gateway(),
        platforms=["linux-64", "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    await rattler.install(records, target_prefix=str(prefix), show_progress=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    # py-rattler's threads sometimes outlive the interpreter and abort it; there is nothing left to clean up.
    os._exit(0)
