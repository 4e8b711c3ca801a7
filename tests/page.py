"""Parses responses, so that tests ask about what a page says and not about its markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bs4 import BeautifulSoup, Tag


def page(response: Any) -> Page:
    """The page, or the partial, that the response holds."""
    return Page(BeautifulSoup(response.content.decode(), "html.parser"))


def text_of(element: Tag | None) -> str:
    """What a reader sees or hears, with every run of white space as one space; "" for None."""
    return " ".join(element.get_text(" ").split()) if element is not None else ""


def headings_of(row: Tag) -> list[Tag]:
    table = row.find_parent("table")
    return table.select("thead th") if table is not None else []


@dataclass
class Region:
    """A part of a page."""

    element: Tag

    @property
    def text(self) -> str:
        return text_of(self.element)

    @property
    def rows(self) -> list[list[str]]:
        """The texts of the tables' body rows, cell by cell. A table's empty state is not a row."""
        return [[text_of(cell) for cell in row.find_all(["td", "th"], recursive=False)] for row in self._body_rows()]

    @property
    def records(self) -> list[dict[str, str]]:
        """The body rows by their column headings."""
        return [
            dict(
                zip(
                    [text_of(heading) for heading in headings_of(row)],
                    [text_of(cell) for cell in row.find_all(["td", "th"], recursive=False)],
                    strict=False,
                )
            )
            for row in self._body_rows()
        ]

    @property
    def links(self) -> dict[str, str]:
        """Where each link goes, by its text; the first one of a text counts."""
        return {
            text_of(link) or str(link.get("aria-label", "")): str(link["href"]) for link in self._reversed("a[href]")
        }

    @property
    def buttons(self) -> list[str]:
        """The texts of the buttons, and of the links that look like one."""
        return [
            text_of(button) or str(button.get("aria-label", "")) for button in self.element.select("button, a.button")
        ]

    @property
    def forms(self) -> list[Form]:
        return [Form(form) for form in self.element.select("form")]

    @property
    def errors(self) -> list[str]:
        """What the forms complain about."""
        return [text_of(error) for error in self.element.select(".field-errors li, [role=alert]")]

    def form(self, action: str | None = None) -> Form:
        """The form that posts (or gets) to ``action``; the only form when no action is given."""
        found = [form for form in self.forms if action is None or form.action == action]
        assert len(found) == 1, f"{len(found)} forms for {action!r}: {[form.action for form in self.forms]}"
        return found[0]

    def has(self, element_id: str) -> bool:
        return self.element.find(id=element_id) is not None

    def region(self, element_id: str) -> Region:
        element = self.element.find(id=element_id)
        assert isinstance(element, Tag), f"The page has no #{element_id}"
        return Region(element)

    def _body_rows(self) -> Iterator[Tag]:
        return (row for row in self.element.select("tbody tr") if "data-empty" not in row.attrs)

    def _reversed(self, selector: str) -> list[Tag]:
        return list(reversed(self.element.select(selector)))


@dataclass
class Page(Region):
    """A whole answer."""

    @property
    def title(self) -> str:
        return text_of(self.element.title)

    @property
    def heading(self) -> str:
        return text_of(self.element.select_one("h1"))


@dataclass
class Form(Region):
    """A form as it would be sent."""

    @property
    def action(self) -> str:
        return str(self.element.get("action", ""))

    @property
    def method(self) -> str:
        return str(self.element.get("method", "get")).lower()

    @property
    def fields(self) -> dict[str, Any]:
        """The names and values that a browser would send if nobody touched the form."""
        values: dict[str, Any] = {}
        for field in self.element.select("input[name], select[name], textarea[name]"):
            kind = str(field.get("type", "text"))
            if field.name == "select":
                chosen = field.select("option[selected]") or field.select("option")[:1]
                values[str(field["name"])] = str(chosen[0].get("value", text_of(chosen[0]))) if chosen else ""
            elif field.name == "textarea":
                # A browser drops the line break that Django writes behind the opening tag.
                values[str(field["name"])] = field.get_text().removeprefix("\r").removeprefix("\n")
            elif kind not in ("checkbox", "radio") or "checked" in field.attrs:
                values[str(field["name"])] = str(field.get("value", "on" if kind == "checkbox" else ""))
        return values

    @property
    def choices(self) -> dict[str, dict[str, str]]:
        """What each select offers, text by value."""
        return {
            str(select["name"]): {str(option.get("value", "")): text_of(option) for option in select.select("option")}
            for select in self.element.select("select[name]")
        }
