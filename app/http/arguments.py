"""The arguments of an endpoint, validated in one go.

FastAPI validates each parameter of a request by itself, which costs several times as much as everything
else at this layer. Here the parameters in path and query of a route are one pydantic model, made at start
from what FastAPI read off the endpoint.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi._compat import ModelField
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError, create_model
from starlette.requests import Request

NOTHING = object()
"""Stands for a body that was not sent."""
Findings = list[Any]
_NO_BODY = {"type": "missing", "loc": ("body",)}


@dataclass(frozen=True, slots=True)
class Arguments:
    """How to read what one endpoint takes: the request, parameters in path and query, one body."""

    request: str | None
    """The parameter that takes the request itself."""
    model: type[BaseModel] | None
    places: Mapping[str, str]
    """Where each parameter stands, by its name outside: `path` or `query`."""
    repeated: tuple[str, ...]
    """Those that may come more than once."""
    body: ModelField | None

    @classmethod
    def of(cls, route: APIRoute, repeated: Iterable[str]) -> "Arguments":
        """Return how to read the arguments of a route.

        Raises:
            TypeError: It takes something else, which only FastAPI could read.
        """
        takes = route.dependant
        others = takes.dependencies or takes.header_params or takes.cookie_params
        if others or len(takes.body_params) > 1 or route._embed_body_fields:
            raise TypeError(f"{route.path} takes more than parameters in path and query, and one body")
        fields = [*takes.path_params, *takes.query_params]
        described: dict[str, Any] = {f.name: (f.field_info.annotation, f.field_info) for f in fields}
        model = create_model("Arguments", **described) if fields else None
        places = {f.alias: "path" if f in takes.path_params else "query" for f in fields}
        body = takes.body_params[0] if takes.body_params else None
        return cls(takes.request_param_name, model, places, tuple(repeated), body)

    def read(self, request: Request, body: object) -> tuple[dict[str, Any], Findings]:
        """Return the arguments of a request, and what is wrong with it, as pydantic lists it."""
        given: dict[str, Any] = {} if self.request is None else {self.request: request}
        findings: Findings = []
        if self.model is not None:
            try:
                values = self.model.__pydantic_validator__.validate_python(self._sent(request))
                given |= values.__dict__
            except ValidationError as wrong:
                findings += [{**f, "loc": (self.places[str(f["loc"][0])], *f["loc"])} for f in wrong.errors()]
        if self.body is not None:
            given[self.body.name], errors = self._body(self.body, body)
            findings += errors
        return given, findings

    def _sent(self, request: Request) -> Mapping[str, Any]:
        if not request.scope["query_string"]:
            return request.path_params
        query = request.query_params
        lists = {name: query.getlist(name) for name in self.repeated if name in query}
        return {**query, **lists, **request.path_params}

    def _body(self, field: ModelField, body: object) -> tuple[Any, Findings]:
        if body is not NOTHING:
            return field.validate(body, loc=("body",))
        return field.get_default(), [] if not field.field_info.is_required() else [_NO_BODY]
