from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from builders.report import extras, make, write_sections

from workflow_scripts.report.data import ReportData
from workflow_scripts.report.html import write_report
from workflow_scripts.report.sections import load

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def report_data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    added = load(write_sections(tmp_path_factory.mktemp("sections")))
    return dataclasses.replace(make(frames=600, recordings=4, boot=8), sections=tuple(added), **extras())


@pytest.fixture(scope="session")
def hostile_data(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    added = load(write_sections(tmp_path_factory.mktemp("sections"), hostile=True))
    return dataclasses.replace(
        make(frames=600, recordings=4, boot=8, hostile=True), sections=tuple(added), **extras(hostile=True)
    )


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory, report_data: ReportData) -> Path:
    path = tmp_path_factory.mktemp("report") / "index.html"
    write_report(report_data, path)
    return path


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory, hostile_data: ReportData) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "index.html"
    write_report(hostile_data, path)
    return path
