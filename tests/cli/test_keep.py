from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from workflow_scripts.cli.keep import TABLES, keep
from workflow_scripts.core.errors import ConfigError


def test_tables_are_kept_with_date_commit_and_machine(tmp_path: Path) -> None:
    results = tmp_path / "results" / "toy"
    (results / "provenance").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"lacks comparison.csv, tests.csv"):
        keep(tmp_path, results, date(2026, 1, 2))
    row = {"dataset": "rats", "split": "fold", "task": "S1", "metric": "macro_f1", "family": "methods", "a": "pca"}
    row |= {"b": "raw", "value_a": 0.5, "value_b": 0.4, "difference": 0.1, "low": 0.0, "high": 0.2, "p": 0.03}
    row |= {"p_holm": 0.03, "smallest_p": 0.03, "comparisons": 1, "n_groups": 6, "seeds_a": 1, "seeds_b": 1}
    for name in TABLES:
        pd.DataFrame([row | {"exact": True, "note": None}]).to_csv(results / name, index=False)
    (results / "provenance" / "configuration.json").write_text("{}")
    text = keep(tmp_path, results, date(2026, 1, 2)).read_text()
    for part in ("| date | 2026-01-02 |", "| commit | not a git checkout |", "| machine |", "pca reached the highest"):
        assert part in text
    kept = tmp_path / "docs" / "results" / "toy"
    assert all((kept / name).read_bytes() == (results / name).read_bytes() for name in TABLES)
    shutil.rmtree(kept)
