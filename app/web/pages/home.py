"""The projects as cards: the sentence, two bars, three numbers, the verdict, the download."""

from __future__ import annotations

from dataclasses import dataclass

from app.services.views import Method, ProjectView, RunView, VariantView
from app.services.wording import limit as limit_words
from app.web.filters import fps, points, size, spread, times, times_spread
from app.web.pages.parts import Part
from app.web.pages.words import KINDS, RUNTIMES, Chip, limit_chip

METHOD_WORDS: dict[Method, str] = {"fp32": "FP32", "int8-default": "INT8 Default", "int8-accuracy-aware": "AccuracyAware"}


@dataclass(frozen=True)
class Bar:
    label: str
    method: Method
    share: float
    """Of the longest bar, 0 to 1."""
    text: str


@dataclass(frozen=True)
class CardStat:
    label: str
    value: str
    sub: str


@dataclass(frozen=True)
class CardAction:
    label: str
    href: str
    icon: str = ""
    described: str = ""
    """What a screen reader says when the label alone does not tell projects apart."""


@dataclass(frozen=True)
class ProjectCard:
    id: str
    name: str
    href: str
    sub: str
    sentence: str
    run: RunView | None
    """Under way."""
    bars: tuple[Bar, ...]
    stats: tuple[CardStat, ...]
    chip: Chip | None
    action: CardAction


@dataclass(frozen=True)
class HomePage:
    cards: tuple[ProjectCard, ...]
    part: Part
    search: str
    busy: bool
    """Whether something runs, so that the list follows it."""
    has_models: bool


def home_page(projects: tuple[ProjectView, ...], part: Part, *, search: str, has_models: bool) -> HomePage:
    cards = tuple(project_card(project) for project in projects)
    return HomePage(cards, part, search, any(card.run is not None for card in cards), has_models)


def project_card(project: ProjectView) -> ProjectCard:
    shown = variant_to_show(project)
    place = [RUNTIMES.get(project.runtime, project.runtime), project.worker]
    return ProjectCard(
        id=project.id,
        name=project.name,
        href=f"/projects/{project.id}",
        sub=", ".join(filter(None, place)),
        sentence=project.sentence,
        run=project.active_run,
        bars=bars(project.original, shown),
        stats=() if shown is None else stats(shown),
        chip=card_chip(project, shown),
        action=card_action(project),
    )


def variant_to_show(project: ProjectView) -> VariantView | None:
    """The best one; where FP32 is best, the fastest INT8 variant, which shows why. None while FP32 is alone."""
    if project.best is not None and project.best.method != "fp32":
        return project.best
    rivals = [variant for variant in project.variants if variant.method != "fp32" and variant.paired is not None]
    return max(rivals, key=lambda variant: variant.paired.speedup.value if variant.paired else 0.0, default=None)


def bars(original: VariantView, shown: VariantView | None) -> tuple[Bar, ...]:
    measured = [(variant, throughput(variant)) for variant in (original, shown) if variant is not None]
    speeds = [(variant, speed) for variant, speed in measured if speed is not None]
    longest = max((speed for _, speed in speeds), default=1.0)
    return tuple(
        Bar(METHOD_WORDS[variant.method], variant.method, speed / longest, f"{fps(speed)} FPS") for variant, speed in speeds
    )


def throughput(variant: VariantView) -> float | None:
    """Of the comparison with FP32; before there is one, the best of the grid."""
    if variant.paired is not None:
        return variant.paired.throughput_fps.value
    return None if variant.grid is None else variant.grid.best.throughput_fps


def stats(variant: VariantView) -> tuple[CardStat, ...]:
    made: list[CardStat] = []
    if variant.paired is not None:
        speedup = variant.paired.speedup
        made.append(CardStat("Speed-up", times(speedup.value), f"± {times_spread(speedup)}"))
    evaluation = variant.evaluation
    if evaluation is not None and evaluation.top1_drop is not None:
        drop = evaluation.top1_drop
        label = "Top-1, points" if evaluation.has_labels else "Agreement, points"
        made.append(CardStat(label, points(-drop.points.value), f"± {spread(drop.points)}, n = {drop.n:,}"))
    made.append(CardStat("Size", times(variant.size_ratio), size(variant.size_bytes)))
    return tuple(made)


def card_chip(project: ProjectView, shown: VariantView | None) -> Chip | None:
    run = project.active_run
    if run is not None:
        waiting = run.state == "queued"
        words = f"{KINDS[run.kind]} {'waiting' if waiting else 'running'}"
        return Chip("live" if run.kind == "optimize" and not waiting else "none", words, "run")
    if project.best is None:
        return Chip("none", "Not measured yet", "info")
    if shown is None:
        return Chip("none", "Baseline measured", "info")
    if project.best.method == "fp32":
        return Chip("none", "FP32 kept", "info")
    verdict = limit_chip(shown.limit)
    if verdict is None or shown.limit is None:
        return None
    allowed = limit_words(project.max_drop).split(" ")[0]
    return Chip(verdict.tone, f"Limit {allowed} {verdict.text[0].lower()}{verdict.text[1:]}")


def card_action(project: ProjectView) -> CardAction:
    if project.active_run is not None:
        return CardAction("Watch", f"/runs/{project.active_run.id}", described=f"Watch the run of {project.name}")
    if project.best is not None and project.best.method != "fp32":
        href = f"/variants/{project.best.id}/model.onnx"
        return CardAction("Download", href, "get", f"Download the best variant of {project.name}")
    if project.best is not None and len(project.variants) > 1:
        return CardAction("Why?", f"/projects/{project.id}", described=f"Why FP32 was kept in {project.name}")
    return CardAction("Optimize", f"/projects/{project.id}/optimize", described=f"Optimize {project.name}")
