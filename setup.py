"""What pyproject.toml cannot say: a wheel carries the project around the package, in `workflow_scripts/_project`."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
FILES = ("Snakefile", "Snakefile.papers", "Snakefile.daart", "requirements.lock")
FOLDERS = ("rules", "config", "profiles", "containers", "envs", "workflow")


class BuildWithProject(build_py):
    """Copies the project's files beside the package's; an editable install reads them in the checkout."""

    def _carried(self):
        """Pairs of a file here and its place below `_project`."""
        paths = [HERE / name for name in FILES]
        for folder in FOLDERS:
            if not (HERE / folder).is_dir():
                raise FileNotFoundError(
                    f"{HERE / folder} is not there; build the wheel from a whole checkout or sdist."
                )
            paths += sorted(path for path in (HERE / folder).rglob("*") if path.is_file())
        target = Path(self.build_lib) / "workflow_scripts" / "_project"
        return [(path, target / path.relative_to(HERE)) for path in paths if "__pycache__" not in path.parts]

    def run(self):
        """Build the package, then copy."""
        super().run()
        if self.editable_mode:
            return
        shutil.rmtree(Path(self.build_lib) / "workflow_scripts" / "_project", ignore_errors=True)
        for path, copy in self._carried():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)

    def get_outputs(self, include_bytecode=True):
        """List the copies too."""
        carried = [] if self.editable_mode else [str(copy) for _, copy in self._carried()]
        return super().get_outputs(include_bytecode) + carried


setup(cmdclass={"build_py": BuildWithProject})
