"""What every rule asks of a cluster, read from the rules and the profile of SLURM.

python tests/support/asked.py prints the table of profiles/README.md.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
RULE = re.compile(r"^ *(?:rule (\w+):|use rule (\w+) as (\w+) with:)\n(.*?)(?=^ *(?:use )?rule |\Z)", flags=re.M | re.S)
HEADER = ["| rules | cores | memory | time | GPU | submission |", "| --- | --- | --- | --- | --- | --- |"]


@dataclass(frozen=True)
class Asked:
    """What a rule asks for at its first attempt, and the script that it runs."""

    cores: str
    memory: int  # megabytes
    minutes: int
    gpu: bool  # if the study uses one
    script: str


def profile(name):
    """The settings of a profile."""
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text(encoding="utf-8"))


def of_rules():
    """{rule: Asked} of all rules that are submitted."""
    default = profile("slurm")["default-resources"]
    found, local = {}, set()
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for plain, base, derived, body in RULE.findall(path.read_text(encoding="utf-8")):
            name, old = plain or derived, found.get(base)
            if "localrule: True" in body:
                local.add(name)
            if old or "script:" in body:
                found[name] = old or _asked(body, default)
    return {name: asked for name, asked in found.items() if name not in local}


def _asked(body, default):
    memory = re.search(r"mem_mb=growing\((\d+)\)", body)
    runtime = re.search(r"runtime=growing\((\d+)\)", body)
    return Asked(
        "`threads`" if 'threads: config["threads"]' in body else "1",
        int(memory[1]) if memory else _first(default["mem_mb"]),
        int(runtime[1]) if runtime else _first(default["runtime"]),
        "gpu=gpus" in body,
        re.search(r'"\.\./(workflow/\w+\.py)"', body)[1],
    )


def _first(expression):
    return int(expression.removesuffix(" * attempt"))


def table():
    """Lines of a Markdown table: a row for all rules that ask the same."""
    groups, rows = profile("slurm")["groups"], {}
    for name, asked in of_rules().items():
        key = (asked.cores, asked.memory, asked.minutes, asked.gpu, groups.get(name, ""))
        rows.setdefault(key, []).append(f"`{name}`")
    ordered = sorted(rows.items(), key=lambda row: (row[0][4], row[0][:4]))
    return HEADER + [_row(*key, ", ".join(names)) for key, names in ordered]


def _row(cores, memory, minutes, gpu, group, names):
    words = (f"{memory / 1000:.0f} GB", f"{minutes} min", "if `device: cuda`" if gpu else "", group or "its own")
    return f"| {names} | {cores} | {' | '.join(words)} |"


if __name__ == "__main__":
    print(*table(), sep="\n")
