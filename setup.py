"""What pyproject.toml cannot say: files that a clone keeps beside the package are built into it."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# From a clone to the folder of the package, where secateur.artifacts.shipped looks for them. The catalogue of workflows
# reads the schema in the clone, and the workflow the list of downloads and the texts of its page; a copy kept by hand,
# or a link, would not stay one.
SHIPPED = {
    "workflow/schemas/config.schema.yaml": "schemas/config.schema.yaml",
    "data/sources.yaml": "data/sources.yaml",
    "report/study.css": "report/study.css",
    "report/study.js": "report/study.js",
}


class BuildPackage(build_py):
    """setuptools' build of the modules, and these files; an editable installation finds them in the clone."""

    def run(self):
        super().run()
        for source, target in self._shipped():
            self.mkpath(str(target.parent))
            self.copy_file(source, str(target), preserve_mode=False)

    def get_outputs(self, include_bytecode=True):
        return super().get_outputs(include_bytecode) + [str(target) for _, target in self._shipped()]

    def get_source_files(self):
        return [*super().get_source_files(), *SHIPPED]

    def _shipped(self):
        if self.editable_mode:
            return []
        return [(source, Path(self.build_lib, "secateur", target)) for source, target in SHIPPED.items()]


setup(cmdclass={"build_py": BuildPackage})
