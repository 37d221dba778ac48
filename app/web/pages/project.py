"""What the head of every project page shows: facts and tabs."""

from __future__ import annotations

from dataclasses import dataclass

from app.services.views import ProjectView
from app.web.filters import plural, size
from app.web.pages.words import device_words, runtime_words


@dataclass(frozen=True)
class Fact:
    strong: str
    rest: str


@dataclass(frozen=True)
class Tab:
    name: str
    href: str
    current: bool


@dataclass(frozen=True)
class ProjectHead:
    id: str
    name: str
    facts: tuple[Fact, ...]
    tabs: tuple[Tab, ...]


def project_head(project: ProjectView, tab: str) -> ProjectHead:
    """`tab`: Overview, Optimize, Runs or Compare."""
    base = f"/projects/{project.id}"
    runs = f"Runs {project.runs}" if project.runs else "Runs"
    tabs = [("Overview", "Overview", base), ("Optimize", "Optimize", f"{base}/optimize")]
    tabs += [("Runs", runs, f"{base}/runs"), ("Compare", "Compare", f"{base}/compare")]
    return ProjectHead(
        id=project.id,
        name=project.name,
        facts=_facts(project),
        tabs=tuple(Tab(shown, href, name == tab) for name, shown, href in tabs),
    )


def is_labelled(project: ProjectView) -> bool:
    """Whether accuracy is measured against labels; otherwise as agreement with FP32."""
    description = project.dataset.description
    return description is not None and description.labelled > 0


def judged_images(project: ProjectView) -> int:
    """How many images accuracy is judged on."""
    evaluation = project.original.evaluation
    if evaluation is not None:
        return evaluation.n
    description = project.dataset.description
    return 0 if description is None else description.labelled or description.images


def _facts(project: ProjectView) -> tuple[Fact, ...]:
    description = project.dataset.description
    images = ""
    if description is not None:
        images = f"{description.labelled:,} labelled images" if description.labelled else plural(description.images, "image")
    facts = [
        Fact(project.model.name, size(project.model.size_bytes)),
        Fact(project.dataset.name, images),
        Fact("", "Top-1 accuracy" if is_labelled(project) else "Agreement with FP32"),
    ]
    if project.device is not None:
        where = f", {device_words(project.device)}" + (f", worker {project.worker}" if project.worker else "")
        facts.append(Fact(runtime_words(project.device), where))
    return tuple(facts)
