"""A job of the workflow as a status sees it: the files that it reads and writes, and its log, by the rules' names."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from secateur.study.study import Study

# The ends of the names of a table with its manifest, of an evaluation, and of a figure.
TABLE = (".csv", ".json")
EVALUATION = (".csv", ".h5", ".json")
FIGURE = (".svg", ".html")
Options = Callable[[], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Planned:
    """One job that the workflow may run; `seed` is that of its network, None for a job of the whole study.

    `name` tells it from other jobs of its rule in one network. `options` gives the settings that its results depend
    on, empty where there are none; None where these hold the content of other files, which would have to be read.
    """

    rule: str
    stage: str
    name: str
    seed: int | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    log: str
    options: Options | None = dataclasses.field(compare=False)


@dataclasses.dataclass(frozen=True)
class Places:
    """The folders of a study, or of one of its networks, by which the names of rules are filled in."""

    study: Study
    seed: int | None = None

    @property
    def network(self) -> str:
        """The folder of one training, below the results and below the logs."""
        return f"{self.study.dataset}/{self.study.model}/{self.seed}"

    def path(self, pattern: str) -> str:
        """A path from one that begins with `<results>`, `<images>` or `<network>`."""
        results = self.study.settings["results"]
        folders = {
            "<results>": results,
            "<images>": f"{results}/{self.study.dataset}/images",
            "<network>": f"{results}/{self.network}",
        }
        begin, slash, rest = pattern.partition("/")
        return f"{folders.get(begin, begin)}{slash}{rest}"

    def log(self, rule: str, name: str = "", folder: str | None = None) -> str:
        """The log of a job: below the logs of the study, in the folder of its network unless another one is given."""
        if folder is None:
            folder = "" if self.seed is None else self.network
        return "/".join(filter(None, ("logs", self.study.name, folder, rule, name))) + ".log"

    def job(
        self,
        rule: str,
        stage: str,
        name: str,
        inputs: Iterable[str | list[str]],
        outputs: Iterable[str],
        options: Options | None = dict,
    ) -> Planned:
        """A job, from the patterns of its paths; an input may be a list, as those that a study can lack."""
        files: list[str] = []
        for path in inputs:
            files += path if isinstance(path, list) else [path]
        read, written = tuple(map(self.path, files)), tuple(map(self.path, outputs))
        return Planned(rule, stage, name, self.seed, read, written, self.log(rule, name), options)


def each(stem: str, *ends: str) -> list[str]:
    """Paths that differ in their ends."""
    return [f"{stem}{end}" for end in ends]
