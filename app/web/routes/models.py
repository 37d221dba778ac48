"""Models: list with uploads, one model, rename, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from app.errors import WorkbenchError
from app.services import models, uploads
from app.web.dependencies import Wb
from app.web.flash import Flash
from app.web.pages.confirm import Confirmation
from app.web.pages.models import model_page, models_page
from app.web.pages.parts import part_of
from app.web.templating import render

router = APIRouter(prefix="/models", include_in_schema=False)

SHOWN = 20


@router.get("")
def show_models(request: Request, wb: Wb) -> Response:
    part = part_of("/models", request.query_params.get("page", ""), models.count_models(wb), SHOWN, "model")
    shown = models.list_models(wb, limit=part.size, offset=part.offset)
    page = models_page(shown, part, uploads.list_unfinished(wb, "model"), wb.settings.max_model_bytes)
    return render(request, "pages/models.html", page, block="assets")


@router.get("/{model_id}")
def show_model(request: Request, wb: Wb, model_id: str) -> Response:
    return render(request, "pages/model.html", model_page(models.get_model(wb, model_id)), block="asset")


@router.post("/{model_id}/rename")
def rename(request: Request, wb: Wb, model_id: str, name: Annotated[str, Form()] = "") -> Response:
    try:
        models.rename_model(wb, model_id, name)
    except WorkbenchError as error:
        if error.code != "name.invalid":
            raise
        page = model_page(models.get_model(wb, model_id), name=name, name_error=f"{error.message} {error.hint}")
        return render(request, "pages/model.html", page, block="asset", status=422)
    return RedirectResponse(f"/models/{model_id}", 303)


@router.get("/{model_id}/delete")
def confirm_delete(request: Request, wb: Wb, model_id: str) -> Response:
    model = models.get_model(wb, model_id)
    page = Confirmation(
        section="Models",
        title=f"Delete {model.name}?",
        text="The file goes for good.",
        blocked=f"It cannot be deleted while {in_use(model.projects)}." if model.projects else "",
        verb="Delete",
        action=f"/models/{model_id}/delete",
        back=f"/models/{model_id}",
    )
    return render(request, "pages/confirm.html", page)


@router.post("/{model_id}/delete")
def delete(wb: Wb, model_id: str) -> Response:
    name = models.get_model(wb, model_id).name
    models.delete_model(wb, model_id)
    response = RedirectResponse("/models", 303)
    Flash("good", f"{name} was deleted.").add_to(response)
    return response


def in_use(projects: int) -> str:
    return "a project uses it" if projects == 1 else f"{projects} projects use it"
