"""A Workflow Run RO-Crate of an experiment: its workflow, inputs, settings, cards, costs and results.

Follows RO-Crate 1.1, Workflow RO-Crate 1.0 and Workflow Run Crate 0.5
(https://www.researchobject.org/workflow-run-crate/).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_scripts.cards.card import Card
from workflow_scripts.core.files import digest, write_json, write_text
from workflow_scripts.core.redact import redact

PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
FORMATS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".dot": "text/vnd.graphviz",
    ".html": "text/html",
}
README = "README.md"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"

Entity = dict[str, Any]


def _link(identifier: str) -> Entity:
    return {"@id": identifier}


def _links(identifiers: Iterable[str]) -> list[Entity]:
    return [_link(identifier) for identifier in identifiers]


def _file(folder: Path, path: str, name: str, **more: Any) -> Entity:
    """Describe a file of the crate."""
    entity = {"@id": path, "@type": "File", "name": name, "contentSize": str((folder / path).stat().st_size)}
    entity["sha256"] = digest(folder / path)
    return entity | {"encodingFormat": FORMATS.get(Path(path).suffix, "text/plain")} | more


def _downloads(card: Card) -> list[Entity]:
    """Describe what a dataset was made from: public files by address, twins by their generator."""
    found = []
    for file in card.files:
        address = next((redact(url) for url in file.urls if url.startswith(("http://", "https://"))), None)
        checks = {"sha256": file.sha256, "md5": file.md5, "contentSize": str(file.bytes) if file.bytes else None}
        made = f"made by the generator {card.simulate.generator}" if card.simulate else ""
        entity = {
            "@id": address or f"#{card.name}/{file.path}",
            "@type": "File" if address else "CreativeWork",
            "name": f"{card.name}: {file.path}",
            "description": made or f"input of the dataset {card.name}",
            **{key: value for key, value in checks.items() if value},
        }
        found.append(entity)
    return found


def write_crate(
    folder: Path,
    *,
    experiment: str,
    description: str,
    files: Mapping[str, Path],
    workflow: Path,
    cards: Mapping[str, Card],
    software: Mapping[str, str],
    started: float,
    ended: float,
) -> None:
    """Copy what belongs to an experiment's crate into `folder` and describe it in `ro-crate-metadata.json`.

    Parameters
    ----------
    folder : Path
        Made, or filled.
    experiment, description : str
    files : mapping of str to Path
        What is copied, by its place in the crate; `results/…` are outputs of the run, all others its settings.
    workflow : Path
        The folder with `Snakefile` and `rules/`.
    cards : mapping of str to Card
        Datasets.
    software : mapping of str to str
        Versions by name.
    started, ended : float
        Seconds since 1970, UTC.
    """
    sources = {"workflow/Snakefile": workflow / "Snakefile"}
    sources |= {f"workflow/rules/{path.name}": path for path in sorted((workflow / "rules").glob("*.smk"))}
    for place, source in [*sources.items(), *files.items()]:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / place)
    write_text(folder / README, f"# {experiment}\n\n{description or 'A run of the EthoMake workflow.'}\n")
    outputs = [place for place in files if place.startswith("results/")]
    settings = [place for place in files if place not in outputs]
    inputs = [entity for card in cards.values() for entity in _downloads(card)]
    moments = [datetime.fromtimestamp(moment, tz=UTC).isoformat(timespec="seconds") for moment in (started, ended)]
    main = "workflow/Snakefile"
    parts = [README, *sources, *files, *(entity["@id"] for entity in inputs if entity["@type"] == "File")]
    graph: list[Entity] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": _link("./"),
            "conformsTo": _links(["https://w3id.org/ro/crate/1.1", PROFILES[2]]),
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"EthoMake experiment {experiment}",
            "description": description or f"A run of the EthoMake workflow: the experiment {experiment}.",
            "datePublished": moments[1],
            "license": _link(LICENCE),
            "conformsTo": _links(PROFILES),
            "hasPart": _links(dict.fromkeys(parts)),
            "mainEntity": _link(main),
            "mentions": _link("#run"),
        },
        {"@id": LICENCE, "@type": "CreativeWork", "name": "Apache License 2.0", "identifier": LICENCE},
        *({"@id": profile, "@type": "CreativeWork", "name": _profile_name(profile), "version": profile.rsplit("/")[-1]}
          for profile in PROFILES),
        {
            "@id": SNAKEMAKE,
            "@type": "ComputerLanguage",
            "name": "Snakemake",
            "identifier": _link("https://doi.org/10.12688/f1000research.29032.2"),
            "url": _link("https://snakemake.readthedocs.io"),
            "version": software["snakemake"],
        },
        _file(folder, main, "EthoMake") | {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "programmingLanguage": _link(SNAKEMAKE),
            "version": software["ethomake"],
            "conformsTo": _link("https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"),
            "license": _link(LICENCE),
            "input": _link("#configuration"),
            "output": _link("#comparison"),
        },
        *(_file(folder, place, Path(place).name) for place in sources if place != main),
        _file(folder, README, "About this crate", about=_link("./")),
        _parameter("#configuration", "configuration"),
        _parameter("#comparison", "comparison"),
        *(_file(folder, place, place, **_example(place)) for place in settings),
        *(_file(folder, place, place, **_example(place)) for place in outputs),
        *inputs,
        *(_software(name, version) for name, version in software.items()),
        {
            "@id": "#agent",
            "@type": "Person",
            "name": "whoever ran the workflow (not recorded)",
        },
        {
            "@id": "#run",
            "@type": "CreateAction",
            "name": f"Run of the experiment {experiment}",
            "description": "Every rule that the experiment's results hang on, settings and inputs as listed.",
            "instrument": _link(main),
            "agent": _link("#agent"),
            "object": _links([*settings, *dict.fromkeys(entity["@id"] for entity in inputs)]),
            "result": _links(outputs),
            "startTime": moments[0],
            "endTime": moments[1],
            "actionStatus": "http://schema.org/CompletedActionStatus",
        },
    ]  # fmt: skip
    unique = {json.dumps(entity["@id"]): entity for entity in graph}
    context = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
    write_json(folder / "ro-crate-metadata.json", {"@context": context, "@graph": list(unique.values())})


def _profile_name(profile: str) -> str:
    names = {"process": "Process Run Crate", "workflow": "Workflow Run Crate"}
    return next((name for key, name in names.items() if f"wfrun/{key}/" in profile), "Workflow RO-Crate")


def _software(name: str, version: str) -> Entity:
    if name == "ethomake":  # on no package index
        return {"@id": "#ethomake", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}
    page = "https://www.python.org/" if name == "python" else f"https://pypi.org/project/{name}/{version}/"
    return {"@id": page, "@type": "SoftwareApplication", "name": name, "softwareVersion": version, "url": page}


def _parameter(identifier: str, name: str) -> Entity:
    return {
        "@id": identifier,
        "@type": "FormalParameter",
        "name": name,
        "additionalType": "File",
        "conformsTo": _link("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
        "valueRequired": "True",
    }


def _example(place: str) -> Entity:
    known = {"configuration.json": "#configuration", "results/comparison.csv": "#comparison"}
    return {"exampleOfWork": _link(known[place])} if place in known else {}
