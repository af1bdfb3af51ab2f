"""Configuration: generated files in step, overlays, and refusals in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from workflow_scripts.core.errors import ConfigError, InputError
from workflow_scripts.core.files import read_yaml
from workflow_scripts.core.validation import deep_merge, validate
from workflow_scripts.experiment.experiment import load_configuration, load_experiment
from workflow_scripts.experiment.generated_files import generated
from workflow_scripts.experiment.runs import Run
from workflow_scripts.experiment.schema import Configuration
from workflow_scripts.experiment.settings import setting_name
from workflow_scripts.methods import config_model, names, parse

DEMO = {"experiment": "demo"}


def test_generated_files_are_in_step(root: Path) -> None:
    for path, text in generated(root).items():
        assert path.read_text() == text, f"{path.name}: run `ethomake config --write`"


def test_default_yaml_is_valid_and_equals_the_models(root: Path) -> None:
    assert validate(Configuration, read_yaml(root / "config/default.yaml"), "default") == Configuration()


def test_experiments_are_valid_and_fit_the_schema(root: Path) -> None:
    validator = Draft202012Validator(json.loads((root / "config/schema.json").read_text()))
    for path in sorted((root / "config/experiments").glob("*.yaml")):
        overlay = read_yaml(path)
        assert not list(validator.iter_errors(overlay)), path.name
        assert load_experiment(root, overlay).name == path.stem


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"experimnt": "demo"}, "unknown key 'experimnt'; did you mean 'experiment'?"),
        ({"probe": {"alpha": [1]}}, "unknown key 'probe.alpha'; did you mean 'alphas'?"),
        ({"intervals": {"level": 1.5}}, "intervals.level: input should be less than 1"),
        ({"seeds": []}, "seeds: list should have at least 1 item"),
        ({"seeds": ["x"]}, "seeds.0: input should be a valid integer"),
        ({"experiment": "reel"}, "no experiment 'reel' in config/experiments; did you mean 'real'?"),
        ({"datasets": {"rat_pairs": {}}}, "no dataset 'rat_pairs' in config/datasets; did you mean 'rats_pairs'?"),
        ({"methods": {"feature": {}}}, "no method 'feature'; did you mean 'features'?"),
        ({"methods": {"pca": {"dims": 3}}}, "methods.pca: unknown key 'dims'; did you mean 'dim'?"),
        ({"datasets": {"rats_pairs_twin": {"splits": ["folds"]}}}, "no split 'folds'"),
        ({"datasets": {"rats_pairs_twin": {"one_seed": ["draws"]}}}, "one_seed: 'draws' is none of the splits"),
        (
            {"datasets": {"rats_pairs_twin": {"methods_by_split": {"draws": ["raw"]}}}},
            "methods_by_split: 'draws' is none of the splits",
        ),
        ({"datasets": {"rats_pairs_twin": {"tasks": ["S3"]}}}, "the card has no task 'S3'"),
        ({"datasets": {"rats_pairs_twin": {"methods": ["lisbet_"]}}}, "'lisbet_' is not listed under methods"),
        ({"sweep": {"pca": {"dim": [4, "many"]}}}, "methods.pca: dim: input should be a valid integer"),
        ({"probe": 3}, "probe"),
        (
            {"datasets": {"mars_crops": {"splits": ["official"]}}},
            "the card 'mars_crops' has no split 'official'; it has: fold",
        ),
    ],
)
def test_mistakes_are_refused_in_one_sentence(root: Path, overrides: dict[str, Any], said: str) -> None:
    base = read_yaml(root / "config/experiments/demo.yaml")
    with pytest.raises(ConfigError) as caught:
        if overrides.keys() == {"experiment"}:
            load_experiment(root, overrides)
        else:
            load_experiment(root, deep_merge(base, overrides))
    message = str(caught.value)
    assert said.lower() in message.lower()
    assert "\n" not in message
    assert message.endswith((".", "?"))


def test_overlays_merge_deeply_and_are_validated_again(root: Path, tmp_path: Path) -> None:
    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "config/datasets").symlink_to(root / "config/datasets")
    base = {"experiment": "base", "datasets": {"rats_pairs_twin": {"splits": ["fold"]}}, "methods": {"pca": {"dim": 4}}}
    child = {"extends": "base", "experiment": "child", "methods": {"pca": {"window": 5}, "raw": {}}, "seeds": [0, 1]}
    for overlay in (base, child):
        path = tmp_path / f"config/experiments/{overlay['experiment']}.yaml"
        path.write_text(yaml.safe_dump(overlay))
    merged = load_configuration(tmp_path, {"experiment": "child", "methods": {"pca": {"dim": 6}}})
    assert merged.methods == {"pca": {"dim": 6, "window": 5}, "raw": {}}
    assert merged.seeds == [0, 1]
    (tmp_path / "config/experiments/base.yaml").write_text(yaml.safe_dump(base | {"extends": "child"}))
    with pytest.raises(ConfigError, match="circle"):
        load_configuration(tmp_path, {"experiment": "child"})


def test_repeated_yaml_keys_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("seeds: [0]\nprobe: {}\nseeds: [1]\n")
    with pytest.raises(InputError, match="line 3: the key 'seeds' is there twice"):
        read_yaml(path)


def test_sweeps_become_points(root: Path) -> None:
    experiment = load_experiment(root, DEMO | {"sweep": {"pca": {"dim": [4, 8]}}, "seeds": [0, 1]})
    runs = [run for run in experiment.runs if run.method == "pca" and run.dataset == "calms21_twin"]
    assert [run.setting for run in runs] == ["dim~4", "dim~8"]
    assert [run.options["dim"] for run in runs] == [4, 8]
    seeded = [run.seed for run in experiment.runs if run.method == "random_init" and run.dataset == "calms21_twin"]
    assert seeded == [0, 1]


def test_long_points_get_a_stable_id() -> None:
    values = {"a_rather_long_option_name": 1.5, "another_long_option_name": [1, 2, 3]}
    assert setting_name(values) == setting_name(dict(values))
    assert len(setting_name(values)) == 12
    assert setting_name({"lr": 0.001, "layers": 2}) == "lr~0.001,layers~2"


def test_points_of_swept_groups_are_named_by_what_is_in_them() -> None:
    assert setting_name({"loss": {"weak": 0, "pred": 1}}) == "weak~0,pred~1"
    assert setting_name({"loss": {"size": 0}, "network": {"size": 1}}) == "loss.size~0,network.size~1"


def test_a_nested_mapping_is_laid_over_the_defaults_of_its_method() -> None:
    for name in names():
        model = config_model(name)
        for key, field in model.model_fields.items():
            default = field.default
            if not isinstance(default, BaseModel):
                continue
            assert getattr(parse(name, {key: {}}), key) == default, f"{name}.{key}"
            for inner, value in default.model_dump(mode="json").items():
                assert getattr(parse(name, {key: {inner: value}}), key) == default, f"{name}.{key}.{inner}"
    bams = parse("bams", {"training": {"threads": 2}}).training
    assert (bams.max_epochs, bams.monitor, bams.threads) == (500, None, 2)
    daart = parse("daart", {"training": {"max_epochs": 2}}).training
    assert (daart.max_epochs, daart.monitor, daart.mode, daart.checkpoint_every) == (2, "val_loss_strong", "min", 10)


def test_a_partial_mapping_of_an_experiment_keeps_the_methods_defaults(root: Path) -> None:
    overlay = read_yaml(root / "config/experiments/demo.yaml")
    overlay["methods"]["bams"] = {"training": {"max_epochs": 2}}
    overlay["datasets"] = {
        "mabe22_mouse_twin": {"methods": ["bams"], "overrides": {"bams": {"training": {"threads": 2}}}}
    }
    overlay.pop("motifs", None)
    runs = load_experiment(root, overlay).runs
    training = next(run for run in runs if run.method == "bams").options["training"]
    assert (training["max_epochs"], training["threads"], training["monitor"]) == (2, 2, None)


def test_default_yaml_prints_the_defaults_of_each_method(root: Path) -> None:
    lines = (root / "config/default.yaml").read_text().splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("# Options of the methods"))
    printed = yaml.safe_load("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[start + 1 :]))
    for name in set(names()) - {"joint"}:  # its rows are under a key of their own
        model = config_model(name)
        optional = {key: value for key, value in printed[name].items() if not model.model_fields[key].is_required()}
        for key, value in optional.items():
            default = model.model_fields[key].get_default(call_default_factory=True)
            shown = default.model_dump(mode="json") if isinstance(default, BaseModel) else default
            assert value == (list(shown) if isinstance(shown, tuple) else shown), f"{name}.{key}"


def test_decisions_add_tables_and_are_off_by_default(root: Path) -> None:
    plain = load_experiment(root, DEMO).tables()
    assert not [path for path in plain if path.endswith("decided.csv")]
    decided = load_experiment(root, DEMO | {"decisions": {}}).tables()
    extra = sorted(set(decided) - set(plain))
    assert set(plain) < set(decided) and all(path.endswith("decided.csv") for path in extra)
    # Every probed run and its folds together, chance left out.
    assert "runs/rats_pairs_twin/raw/sound/default/fold/seed0/decided.csv" in extra
    assert not [path for path in extra if "/prior/" in path or "/rat_direction/" in path]
    with pytest.raises(ConfigError, match="kind"):
        load_experiment(root, DEMO | {"decisions": {"kind": "best"}})


def test_a_family_may_run_with_the_first_seed_alone(root: Path) -> None:
    config = {
        "experiment": "toy",
        "datasets": {"rats_pairs": {"splits": ["fold", "labels_k"], "one_seed": ["labels_k"], "tasks": ["S1"]}},
        "methods": {"random_init": {}, "raw": {}},
        "joint": {"both": ["random_init", "raw"]},
        "seeds": [3, 4],
    }
    runs = load_experiment(root, config).runs
    assert {run.seed for run in runs if run.split.startswith("fold")} == {3, 4}
    assert {run.seed for run in runs if not run.split.startswith("fold")} == {3}


def test_draws_of_labels_share_what_reads_no_labels(root: Path) -> None:
    """One training of a label-free method for all draws; those that read labels train for each."""
    config = {
        "experiment": "toy",
        "datasets": {"rats_pairs": {"splits": ["fold", "labels_k"], "tasks": ["S1"]}},
        "methods": {
            "features": {},
            "bams": {},
            "boosting": {},
            "lisbet": {"labels": ["S1"], "tasks": ["order", "multiclass"], "pretrain_epochs": 1},
        },
        "sweep": {"lisbet": {"recipe": ["pretrain", "finetune"]}},
        "joint": {"free": ["features", "bams"], "mixed": ["features", "boosting"]},
        "seeds": [0, 1],
    }
    experiment = load_experiment(root, config)
    drawn = [run for run in experiment.runs if run.split.startswith("labels_k")]
    trained: dict[str, set[str]] = {}
    for run in drawn:
        assert run.trained.seed == run.seed
        trained.setdefault(f"{run.method}/{run.setting}", set()).add(run.trained.split)
    first = {"labels_k1_0"}
    assert [
        trained[name] for name in ("features/default", "bams/default", "lisbet/recipe~pretrain", "free/default")
    ] == [first] * 4
    for name in ("boosting/default", "lisbet/recipe~finetune", "mixed/default"):
        assert len(trained[name]) == 18
    (mixed,) = [run for run in drawn if (run.method, run.split, run.seed) == ("mixed", "labels_k4_1", 1)]
    assert {run.split for run in mixed.members.values()} == {"labels_k1_0", "labels_k4_1"}
    assert all(run.shared is None for run in experiment.runs if run.split.startswith("fold"))


def test_a_split_family_may_have_methods_of_its_own(root: Path) -> None:
    use = {"splits": ["fold", "labels_k"], "tasks": ["S1"]}
    config = {
        "experiment": "toy",
        "methods": {"features": {}, "pca": {}, "raw": {}},
        "joint": {"both": ["features", "pca"], "others": ["raw", "pca"]},
    }

    def runs(names: list[str]) -> list[Run]:
        datasets = {"rats_pairs": use | {"methods_by_split": {"labels_k": names}}}
        return load_experiment(root, config | {"datasets": datasets}).runs

    found = runs(["features", "pca", "both"])
    assert {run.method for run in found if run.split.startswith("fold")} == {"features", "pca", "raw", "both", "others"}
    assert {run.method for run in found if run.split.startswith("labels_k")} == {"features", "pca", "both"}
    with pytest.raises(ConfigError, match=r"methods_by_split.labels_k: 'both' needs its member 'pca'"):
        runs(["features", "both"])
    with pytest.raises(ConfigError, match="'feature' is not listed under methods; did you mean 'features'"):
        runs(["feature"])


def test_methods_settings_and_joint_rows_may_run_with_the_first_seed_alone(root: Path) -> None:
    config = {
        "experiment": "toy",
        "datasets": {"rats_pairs": {"splits": ["fold"], "tasks": ["S1"]}},
        "methods": {
            "random_init": {},
            "boosting": {},
            "raw": {},
            "lisbet": {"labels": ["S1"], "tasks": ["order", "multiclass"], "pretrain_epochs": 1},
        },
        "sweep": {"lisbet": {"recipe": ["pretrain", "finetune"]}},
        "joint": {"a": ["boosting", "raw"], "b": ["boosting", "random_init"], "c": ["random_init", "raw"]},
        "seeds": [3, 4],
        "one_seed": ["random_init", "lisbet/recipe~pretrain", "a"],
    }
    seeds: dict[str, set[int]] = {}
    runs = load_experiment(root, config).runs
    for run in runs:
        seeds.setdefault(f"{run.method}/{run.setting}", set()).add(run.seed)
    assert {name for name, found in seeds.items() if found == {3, 4}} == {
        "boosting/default",
        "lisbet/recipe~finetune",
        "b/default",
    }
    assert {name for name, found in seeds.items() if found == {3}} == {
        "random_init/default",
        "raw/default",
        "lisbet/recipe~pretrain",
        "a/default",
        "c/default",  # both of its members run once
    }
    (joined,) = [run for run in runs if (run.method, run.split, run.seed) == ("b", "fold0", 4)]
    assert [member.seed for member in joined.members.values()] == [4, 3]
    with pytest.raises(ConfigError, match="one_seed: 'random_int' is no method, setting or joint row; did you mean"):
        load_experiment(root, config | {"one_seed": ["random_int"]})
