"""What every operation of the API has in common, as its OpenAPI document says it (design.md section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.web.api import OperationLimit

ERROR_SCHEMA = {
    "title": "Error",
    "description": "`error` and `Error` carry the same sentence.",
    "type": "object",
    "properties": {
        "code": {"type": "string", "pattern": "^[45][0-9]{2}$", "description": "The status, as text."},
        "error": {"type": "string", "description": "What was wrong, and what to do about it."},
        "Error": {"type": "string", "description": "The same as error."},
    },
    "required": ["code", "error", "Error"],
    "additionalProperties": False,
}

# Each with the statuses whose answers carry it: a call that has reached the budget learns what is left of it.
ALWAYS = ("X-Request-ID",)
BUDGET = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Policy", "RateLimit")

ERRORS = {
    "400": ("The call cannot be understood; the sentence names what is wrong with it.", ALWAYS),
    "401": ("There is no key, or one that opens nothing.", (*ALWAYS, "WWW-Authenticate")),
    "403": ("The key opens the other realm, or may not be used from this address.", ALWAYS),
    "404": ("There is no such object.", ALWAYS),
    "405": ("The path has other methods.", (*ALWAYS, "Allow")),
    "413": ("The body is larger than 1 MB.", ALWAYS),
    "429": ("A limit is spent.", (*ALWAYS, *BUDGET, "Retry-After")),
    "500": ("Something went wrong on our side.", ALWAYS),
    "503": ("The database is away, or the call could not be recorded.", ALWAYS),
}
# What only an operation behind the gate answers.
GUARDED = {"401", "403", "404", "429"}


# What the parameters of paths are; they mean the same wherever they stand.
IN_PATHS = {
    "user_id": "Number of the user.",
    "offer_id": "Number of the offer.",
    "url_id": "Number of the landing page; 0 for the offer's own.",
    "feed_id": "Number of the product feed.",
    "pixel_id": "Number of the postback.",
    "invoice_id": "Number of the invoice.",
    "conversion_id": "The conversion's id: 32 hexadecimal digits.",
    "transaction_id": "The click's id: 32 hexadecimal digits.",
    "hold_id": "Number of the hold.",
    "control_id": "Number of the source control.",
    "partner_id": "Number of the affiliate.",
    "key_id": "Number of the key.",
}
# Existing clients ask for it wherever they read, by names that only some objects here have.
RELATED: dict[str, Any] = {
    "name": "relationship",
    "in": "query",
    "description": "What to have in relationship. Whatever is asked for, all that there is for it is there.",
    "schema": {"type": "array", "items": {"type": "string"}, "default": []},
}
# What a list has beside its entries.
PAGE_EXAMPLE = {"page": 1, "page_size": 50, "total_count": 1}


def header(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "required": True, "schema": {"type": "string", **schema}}


def number(description: str, minimum: int) -> dict[str, Any]:
    return {"description": description, "required": True, "schema": {"type": "integer", "minimum": minimum}}


def references(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def error(description: str, headers: tuple[str, ...]) -> dict[str, Any]:
    return {
        "description": description,
        "headers": references(headers),
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Error"}},
            "text/html": {"schema": {"type": "string"}},
        },
    }


COMMON_COMPONENTS: dict[str, Any] = {
    "headers": {
        "X-Request-ID": header("The number of the call; name it when you ask us about it.", format="uuid"),
        "X-RateLimit-Limit": number("How many calls the limit with least left lets through in a window.", 1),
        "X-RateLimit-Remaining": number("How many of them are left.", 0),
        "X-RateLimit-Reset": number("Seconds until the window ends.", 1),
        "RateLimit-Policy": header("The same limit as the IETF draft writes it."),
        "RateLimit": header("What is left of it, as the IETF draft writes it."),
        "Retry-After": number("Seconds to wait before trying again.", 1),
        "WWW-Authenticate": header("How to present a key."),
        "Allow": header("The methods that the path has."),
    },
    "responses": {status: error(*said) for status, said in ERRORS.items()},
    "securitySchemes": {
        "Bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY"},
        "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "X-Eflow-API-Key": {"type": "apiKey", "in": "header", "name": "X-Eflow-API-Key"},
    },
}


def complete(operation: dict[str, Any], *, is_guarded: bool, limit: OperationLimit | None) -> None:
    """Adds to an operation's documentation the errors it can answer, its headers, the keys that open it, and the name
    of its stricter limit."""
    # Operations and ninja write numbers, JSON has texts: one status must not become two keys of one name.
    operation["responses"] = {str(status): response for status, response in operation["responses"].items()}
    for status, response in operation["responses"].items():
        if 200 <= int(status) < 300:
            response["headers"] = references((*ALWAYS, *BUDGET) if is_guarded else ALWAYS)
    for status in ERRORS:
        if is_guarded or status not in GUARDED:
            operation["responses"].setdefault(status, {"$ref": f"#/components/responses/{status}"})
    if is_guarded:
        operation["security"] = [{name: []} for name in COMMON_COMPONENTS["securitySchemes"]]
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            parameter.setdefault("description", IN_PATHS.get(parameter["name"], ""))
    if limit is not None:
        operation["x-limit"] = limit.name


def add_parameter(operation: dict[str, Any], parameter: dict[str, Any]) -> None:
    """Documents a parameter, unless the operation has one of that name that says more about it."""
    documented = operation.get("parameters", [])
    if parameter["name"] not in [each["name"] for each in documented]:
        # A list of its own: operations share those that they declare.
        operation["parameters"] = [*documented, parameter]


def add_examples(schemas: dict[str, Any]) -> None:
    """Gives each schema without an example one that is put together from those of its parts, where they have some: a
    list is shown with one entry."""
    for name, schema in schemas.items():
        if (example := example_of({"$ref": f"#/components/schemas/{name}"}, schemas)) is not None:
            schema.setdefault("examples", [example])


def example_of(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """None when there is none."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "examples" in schema:
        return schema["examples"][0]
    if schema.get("type") == "array":
        entry = example_of(schema.get("items", {}), schemas)
        return None if entry is None else [entry]
    if schema.get("type") != "object" or "properties" not in schema:
        return None
    parts = {
        name: PAGE_EXAMPLE[name] if name in PAGE_EXAMPLE else example_of(part, schemas)
        for name, part in schema["properties"].items()
    }
    return None if None in parts.values() else parts
