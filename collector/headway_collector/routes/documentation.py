"""``GET /docs``: every path on one plain page that needs nothing from elsewhere."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
h2 {{ font: 600 1rem ui-monospace, monospace; margin: 2rem 0 0 }} p {{ margin: .2rem 0 }}
code {{ font-family: ui-monospace, monospace }} dt {{ float: left; min-width: 12rem }}
dd {{ margin-left: 12rem }}
</style></head><body>
<h1>{title} {version}</h1>
<p>{description} Machines read <a href="/openapi.json">/openapi.json</a>.</p>
{routes}
</body></html>
"""

router = APIRouter(include_in_schema=False)


@router.get("/docs", response_class=HTMLResponse)
async def read_docs(request: Request) -> HTMLResponse:
    """Show every path with its parameters."""
    schema = request.app.openapi()
    routes = [
        _show_route(method, path, operation)
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    info = {name: escape(schema["info"][name]) for name in ("title", "version", "description")}
    return HTMLResponse(_PAGE.format(routes="\n".join(routes), **info))


def _show_route(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<dt><code>{escape(each['name'])}</code></dt><dd>{_show_parameter(each)}</dd>"
        for each in operation.get("parameters", [])
    )
    return (
        f"<h2>{method.upper()} {escape(path)}</h2>"
        f"<p>{escape(operation.get('description', ''))}</p><dl>{parameters}</dl>"
    )


def _show_parameter(parameter: dict[str, Any]) -> str:
    schema = parameter["schema"]
    schema = schema.get("items", schema)
    allowed = schema.get("enum")
    parts = [
        parameter["in"],
        ", ".join(allowed) if allowed else schema.get("type", "text"),
        parameter.get("description", ""),
    ]
    return escape(": ".join(part for part in parts if part))
