"""The arguments of an endpoint, validated in one go.

FastAPI validates each parameter of a request by itself, which costs several times as much as everything
else at this layer. Here the parameters in path and query of a route are one pydantic model, made at start
from what FastAPI read off the endpoint. Only good requests are answered from here: whatever does not
validate goes through FastAPI's own handler, which knows how to say what is wrong.
"""

import inspect
from dataclasses import dataclass
from typing import Any, get_origin

from fastapi._compat import ModelField
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError, create_model
from starlette.requests import Request
from starlette.responses import Response

NOTHING = object()
"""Stands for a body that was not sent."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """How to read what one endpoint takes."""

    request: str | None
    """The parameter that takes the request itself."""
    model: type[BaseModel] | None
    names: tuple[str, ...]
    body: ModelField | None

    @classmethod
    def of(cls, route: APIRoute) -> "Arguments | None":
        """Return how to read the arguments of a route, or None where only FastAPI can."""
        takes = route.dependant
        fields = [*takes.path_params, *takes.query_params]
        others = takes.dependencies or takes.header_params or takes.cookie_params
        answers = inspect.signature(route.endpoint).return_annotation
        plain = not others and len(takes.body_params) < 2 and not route._embed_body_fields
        if not plain or answers is not Response or any(_repeats(field) for field in fields):
            return None
        described: dict[str, Any] = {f.name: (f.field_info.annotation, f.field_info) for f in fields}
        model = create_model("Arguments", **described) if fields else None
        body = takes.body_params[0] if takes.body_params else None
        return cls(takes.request_param_name, model, tuple(described), body)

    def read(self, request: Request, body: object = NOTHING) -> dict[str, Any] | None:
        """Return the arguments of a request, or None if there is something wrong with them."""
        arguments: dict[str, Any] = {}
        if self.request is not None:
            arguments[self.request] = request
        if self.model is not None:
            given = request.path_params
            if request.scope["query_string"]:
                given = {**request.query_params, **given}
            try:
                values = self.model.__pydantic_validator__.validate_python(given)
            except ValidationError:
                return None
            for name in self.names:
                arguments[name] = getattr(values, name)
        if self.body is not None:
            if body is NOTHING:
                return None
            value, errors = self.body.validate(body, loc=("body",))
            if errors:
                return None
            arguments[self.body.name] = value
        return arguments


def _repeats(field: ModelField) -> bool:
    return get_origin(field.field_info.annotation) in (list, tuple, set, frozenset)
