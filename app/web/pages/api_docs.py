"""The API's routes as a page, from its OpenAPI schema: nothing to load from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "/api"
"""Where the API is mounted; its own schema does not know."""
METHODS = ("get", "post", "patch", "put", "delete")


@dataclass(frozen=True)
class Parameter:
    name: str
    place: str
    """path, query or header."""
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    description: str
    parameters: tuple[Parameter, ...]
    body: str
    """Example of the JSON body; empty when there is none."""
    answers: tuple[tuple[str, str], ...]
    """(status, what it says)."""


@dataclass(frozen=True)
class RouteGroup:
    name: str
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class ApiDocsPage:
    title: str
    description: tuple[str, ...]
    """Paragraphs."""
    version: str
    groups: tuple[RouteGroup, ...]
    schema_url: str


def api_docs_page(schema: Mapping[str, Any]) -> ApiDocsPage:
    info = schema["info"]
    groups: dict[str, list[Route]] = {}
    for path, methods in schema["paths"].items():
        for method in METHODS:
            if method in methods:
                operation = methods[method]
                groups.setdefault(operation.get("tags", ["Other"])[0], []).append(_route(schema, path, method, operation))
    return ApiDocsPage(
        title=info["title"],
        description=tuple(info.get("description", "").strip().split("\n")),
        version=info["version"],
        groups=tuple(RouteGroup(name, tuple(routes)) for name, routes in groups.items()),
        schema_url=f"{PREFIX}/v1/openapi.json",
    )


def _route(schema: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Route:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = _example(schema, content["schema"]) if content else None
    answers = ((status, answer.get("description", "")) for status, answer in operation["responses"].items())
    return Route(
        method=method.upper(),
        path=PREFIX + path,
        description=operation.get("description", operation.get("summary", "")),
        parameters=tuple(_parameter(parameter) for parameter in operation.get("parameters", ())),
        body=json.dumps(body, indent=2, ensure_ascii=False) if body is not None else "",
        answers=tuple((status, said) for status, said in answers if said != "Validation Error"),
    )


def _parameter(parameter: Mapping[str, Any]) -> Parameter:
    kind = parameter["schema"]
    options = [option.get("type", "") for option in kind.get("anyOf", [kind]) if option.get("type") != "null"]
    return Parameter(
        name=parameter["name"],
        place=parameter["in"],
        kind=" or ".join(options),
        required=parameter.get("required", False),
        description=parameter.get("description", ""),
    )


def _example(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Any:
    """The first example given, else the default, else one made of the parts."""
    if part.get("examples"):
        return part["examples"][0]
    if "default" in part:
        return part["default"]
    if "$ref" in part:
        return _example(schema, schema["components"]["schemas"][part["$ref"].rsplit("/", 1)[-1]])
    if "anyOf" in part:
        return _example(schema, part["anyOf"][0])
    if "properties" in part:
        return {name: _example(schema, value) for name, value in part["properties"].items()}
    return {"string": "…", "integer": 0, "number": 0.0, "boolean": False, "array": []}.get(part.get("type", ""))
