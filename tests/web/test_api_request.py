from __future__ import annotations

import json
import shlex
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.http import HttpResponse
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from portal.web.api_request import curl
from tests.page import page

# What a form can hold: no NUL, no halves of characters.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def test_the_call_is_a_command_that_takes_the_key_from_a_variable(settings: Any) -> None:
    settings.BASE_URL = "https://api.northwind.example"

    command = curl("POST", "/affiliates/reporting/entity/table", body={"columns": [{"column": "offer"}]})

    assert command == (
        "curl -X POST https://api.northwind.example/v1/affiliates/reporting/entity/table \\\n"
        '  -H "Authorization: Bearer $LATCHKEY_KEY" \\\n'
        "  -H 'Accept: application/json' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        "  --data-raw '{\n"
        '  "columns": [\n    {\n      "column": "offer"\n    }\n  ]\n'
        "}'"
    )


def test_a_get_has_no_body() -> None:
    words = shlex.split(curl("GET", "/affiliates/alloffers", query={"page": 2, "status": ["active", "paused"]}))

    assert words[:2] == ["curl", "http://localhost:8000/v1/affiliates/alloffers?page=2&status=active&status=paused"]
    assert "-X" not in words
    assert "--data-raw" not in words


@given(path=TEXTS, value=TEXTS.filter(bool), name=TEXTS)
def test_any_text_arrives_as_it_is(path: str, value: str, name: str) -> None:
    words = shlex.split(curl("PUT", f"/{path}", body={name: value}, query={"q": value}))

    url = urlsplit(words[3])
    assert unquote(url.path) == f"/v1/{path}"
    assert parse_qs(url.query) == {"q": [value]}
    # What curl itself reads as a range or a set.
    assert not set("[]{}") & set(words[3])
    assert json.loads(words[words.index("--data-raw") + 1]) == {name: value}


@pytest.mark.django_db
def test_the_request_is_shown_with_a_way_to_copy_it_and_to_the_guide() -> None:
    html = render_to_string("ui/api_request.html", {"id": "report-request", "text": curl("GET", "/x")})
    shown = page(HttpResponse(html))

    assert shown.region("report-request").text.startswith("curl http://localhost:8000/v1/x")
    assert shown.links["the guide"] == "/guide/"
    assert shown.buttons == ["Copy the API request"]
