"""The documents say what the source says: settings, routes, error codes, dependencies, commands and pictures."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

from app.cli.main import app as command_line
from app.engine.quantize.recipe import QuantizationSettings
from app.services.lookup import LOOK_IN, Asset
from app.settings import Settings

ROOT = Path(__file__).parents[2]
GUIDE, API = ROOT / "docs/user-guide.md", ROOT / "docs/api.md"
DOCUMENTS = (
    *(ROOT / "docs").glob("*.md"),
    *ROOT.glob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
    *(ROOT / "benchmarks").rglob("*.md"),
)
NOUNS = {"asset": get_args(Asset), "noun": tuple(LOOK_IN)}
"""What stands for these names where a code is pieced together: `f"{asset}.in_use"`."""


def first_cells(document: Path, section: str) -> list[str]:
    """The first column of the table of this section, without its head; backticks removed."""
    text = document.read_text(encoding="utf-8").split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [row.split(" | ")[0].removeprefix("| ").strip("`") for row in rows if not row.startswith("| ---")][1:]


def test_every_setting_is_in_the_guide_with_its_default() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert first_cells(GUIDE, "Settings") == [f"WORKBENCH_{name.upper()}" for name in Settings.model_fields]
    for name, field in Settings.model_fields.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `WORKBENCH_{name.upper()}` |"))
        default = json.dumps(field.default) if isinstance(field.default, tuple) else str(field.default)
        shown = row.split(" | ")[1].strip("`").replace(",", "" if isinstance(field.default, int) else ",")
        assert shown in {default, "(empty)" if default == "" else default}
        assert (field.description or "") in row


def test_every_route_is_in_the_table(api_schema: dict[str, Any]) -> None:
    in_schema = {f"{method.upper()} /api{path}" for path, methods in api_schema["paths"].items() for method in methods}
    documented = first_cells(API, "Routes")
    assert len(documented) == len(set(documented))
    assert set(documented) == in_schema


def test_every_status_in_the_table_of_routes_is_that_of_the_route(api_schema: dict[str, Any]) -> None:
    for line in API.read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"\| `([A-Z]+) /api(/v1/\S+)` \| (\d+) \| .+ \|", line)
        if found:
            method, path, status = found.groups()
            assert status in api_schema["paths"][path][method.lower()]["responses"]


def test_every_setting_of_an_optimization_is_in_the_table_with_its_default() -> None:
    assert set(first_cells(API, "Settings of an optimization")) == {field.name for field in fields(QuantizationSettings)}
    rows = [line.split(" | ") for line in API.read_text(encoding="utf-8").splitlines()]
    told = {
        row[0].removeprefix("| ").strip("`"): row[1].strip("`") for row in rows if row[0].startswith("| `") and len(row) > 2
    }
    for field in fields(QuantizationSettings):
        default = getattr(QuantizationSettings(), field.name)
        assert told[field.name] == (default if isinstance(default, str) else json.dumps(default)), field.name


@pytest.fixture(scope="module")
def api_schema() -> dict[str, Any]:
    from app.api.site import create_api

    nothing: Any = None  # the schema needs no services
    return create_api(nothing).openapi()


class Codes(ast.NodeVisitor):
    """Error codes of one module: first arguments of the error classes, constants or pieced together from constants."""

    def __init__(self, errors: set[str]) -> None:
        self.errors = errors
        self.found: set[str] = set()
        self.unread: list[str] = []
        self._functions: list[ast.AST] = []
        self._helpers: dict[str, str] = {}

    def read(self, module: ast.Module) -> None:
        self.visit(module)
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call) and called(node) in self._helpers):
            for code in constants(call.args[0]):
                self.found.add(self._helpers[called(call)].format(code))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._functions.append(node)
        self.generic_visit(node)
        self._functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815 - the name that ast calls

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if called(node) in self.errors and node.args:
            self._take(node.args[0])

    def _take(self, code: ast.expr) -> None:
        function = self._functions[-1] if self._functions else None
        if isinstance(code, ast.Constant):
            self.found.add(code.value)
        elif isinstance(code, ast.JoinedStr):
            pieces = [piece.value if isinstance(piece, ast.Constant) else "{}" for piece in code.values]
            names = [piece.value.id for piece in code.values if isinstance(piece, ast.FormattedValue) and named(piece.value)]
            if names[0] in NOUNS:
                self.found |= {"".join(pieces).format(noun) for noun in NOUNS[names[0]]}
            else:
                assert isinstance(function, ast.FunctionDef)
                assert names == [function.args.args[0].arg] == ["code"]
                self._helpers[function.name] = "".join(pieces)
        elif isinstance(code, ast.Name) and function is not None:
            self.found |= {text for text in constants(function) if re.fullmatch(r"[a-z_]+\.[a-z_]+", text)}
        elif not (isinstance(code, ast.Attribute | ast.Subscript) and ast.unparse(code).endswith(("code", "['code']"))):
            self.unread.append(ast.unparse(code))


def called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""


def named(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)


def constants(tree: ast.AST) -> Iterator[str]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def source_codes() -> set[str]:
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "app").rglob("*.py"))]
    classes = [node for module in modules for node in ast.walk(module) if isinstance(node, ast.ClassDef)]
    errors = {"WorkbenchError"}
    for _ in range(3):  # subclasses of subclasses
        errors |= {node.name for node in classes if errors & {ast.unparse(base) for base in node.bases}}
    found: set[str] = set()
    for module in modules:
        codes = Codes(errors)
        codes.read(module)
        assert not codes.unread, f"this test cannot read the codes {codes.unread}"
        found |= codes.found
    return found


def test_every_error_code_is_in_the_table_and_nothing_else() -> None:
    documented = first_cells(API, "Errors")
    in_source = source_codes()
    assert sorted(documented) == documented
    assert len(documented) == len(set(documented))
    assert set(documented) - in_source == set()
    assert in_source - set(documented) == set()


def test_the_example_in_the_api_document_is_the_script() -> None:
    shown = API.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert shown == (ROOT / "examples/workbench_client.py").read_text(encoding="utf-8")


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    in_table = {name.split(" (")[0] for row in rows for name in row[0].removeprefix("| ").split(", ")}
    for requirement in project["project"]["dependencies"]:
        assert package(requirement) in in_table
    tests_only = re.findall(r"[a-z][a-z0-9-]*", text.split("Tests and checks only:")[1].split("\n\n")[0])
    for requirement in project["dependency-groups"]["dev"]:
        assert package(requirement) in tests_only


def package(requirement: str) -> str:
    return re.split(r"[=><\[ ]", requirement)[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path if path else document
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^a-z0-9 -]", "", head.lower()).replace(" ", "-") for head in heads}, target


@pytest.mark.parametrize("document", [ROOT / "README.md", GUIDE], ids=lambda path: path.name)
def test_commands_in_the_documents_exist_with_their_options(document: Path) -> None:
    commands: dict[str, Any] = get_command(command_line).commands  # type: ignore[attr-defined]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")
    shown = [line.split("#")[0] for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    checked = 0
    for line in shown:
        words = line.split()
        for position, word in enumerate(words[:-1]):
            if word == "make":
                assert words[position + 1] in targets
                checked += 1
            elif word.endswith("/workbench") or word == "workbench":
                known = {option for parameter in commands[words[position + 1]].params for option in parameter.opts}
                assert {part for part in words[position + 2 :] if part.startswith("--")} <= known, line
                checked += 1
    assert checked


def test_every_benchmark_is_in_the_index_of_claims() -> None:
    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    for readme in (ROOT / "benchmarks").glob("*/README.md"):
        name = readme.parent.name
        assert f"[{name}]({name}/README.md)" in text
        assert f"benchmarks.{name}.measure" in text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_named_in_documents_are_there(document: Path) -> None:
    """Paths from the project's folder, in backticks or in commands."""
    named_files = re.findall(
        r"(?<![\w/.-])((?:app|tests|examples|benchmarks|docs)/[\w./-]+\.\w+)", document.read_text(encoding="utf-8")
    )
    assert [name for name in named_files if not (ROOT / name).exists()] == []
