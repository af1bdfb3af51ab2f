# Validates the configuration before anything else, and gives the other rule files what they ask about it: `PLAN`
# (workflow_scripts/workflow/inputs.py).

import os
import sys
from pathlib import Path

# Not workflow.basedir: where this workflow is somebody's module, that is their folder. Commands know it as ETHOMAKE_ROOT; it
# is no parameter of a rule, so that a project moved to another folder is not run again for it.
ROOT = Path(os.path.abspath(str(workflow.current_basedir))).parent
if (ROOT / "workflow_scripts").is_dir():
    sys.path.insert(0, str(ROOT))  # a checkout's own package, whichever one is installed; a wheel's rules lie in theirs

from workflow_scripts.core.errors import EthoMakeError
from workflow_scripts.core.project import project_folder
from workflow_scripts.experiment.experiment import load_experiment
from workflow_scripts.experiment.figure_kinds import drawings
from workflow_scripts.workflow.digest import code_digest
from workflow_scripts.workflow.environment import NOTES, set_environment
from workflow_scripts.workflow.inputs import Inputs, as_json, one_of, scaled, simulate_code
from workflow_scripts.workflow.local_run import collect_seldom, rest_between_jobs, start_worker
from workflow_scripts.workflow.modules import share_datasets
from workflow_scripts.workflow.recovery import clear_after_kill, forget_run, note_run, retry_failures
from workflow_scripts.workflow.submission import say_why_groups_fail

if not (ROOT / "Snakefile").is_file():
    ROOT = project_folder()  # rules that Snakemake fetched from github have no folder around them

if workflow.is_main_process:
    collect_seldom()

try:
    # Cards and experiments of the user's own folder come first.
    EXPERIMENT = load_experiment([Path(), ROOT], config)
    FIGURES = {drawing.name: drawing for drawing in drawings(EXPERIMENT)}
    PLAN = Inputs(EXPERIMENT, NOTES)
except EthoMakeError as error:
    raise WorkflowError(str(error))

set_environment(ROOT, EXPERIMENT.config)

RESULTS = f"results/{EXPERIMENT.name}"
RUN = f"{RESULTS}/runs/{{dataset}}/{{method}}/{{mode}}/{{setting}}/{{split}}/seed{{seed}}"
RUN_NAME = f"{EXPERIMENT.name}/{{dataset}}/{{method}}/{{mode}}/{{setting}}/{{split}}/seed{{seed}}"
NEURAL, CONTROLS = PLAN.methods(neural=True), PLAN.methods(neural=False)
JOINT = one_of(EXPERIMENT.config.joint)
# What systems add to the report: a rule file that makes a section appends its `sections/<name>/section.json` here
# (workflow_scripts/formats/sections.py) and is included before report.smk.
SECTIONS = []


wildcard_constraints:
    dataset=one_of(EXPERIMENT.cards),
    shard=r"[A-Za-z0-9._-]+",
    split=r"[a-z][a-z0-9_]*",
    method=r"[a-z][a-z0-9_]*",
    mode="sound|faithful",
    setting=r"[A-Za-z0-9~,._-]+",
    seed=r"\d+",


if workflow.is_main_process:
    say_why_groups_fail()
    # After `kill -9` the same command goes on; see workflow_scripts/workflow/recovery.py.
    if clear_after_kill(NOTES):
        print("The run before this one was killed; continuing where it stopped.", file=sys.stderr)
    if failures := retry_failures(NOTES, keep_going=EXPERIMENT.config.keep_going):
        print(f"{failures} results that failed under keep_going are made again.", file=sys.stderr)


onstart:
    note_run(NOTES)
    rest_between_jobs(workflow)
    start_worker(workflow)


onsuccess:
    forget_run(NOTES)


onerror:
    forget_run(NOTES)
