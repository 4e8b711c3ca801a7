"""An advertiser's products, as a CSV file lists them, and the feeds that hold them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.files.uploadedfile import UploadedFile

from partners.offers.forms.fields import DaysFields, DestinationField, Figure, WebAddressField
from partners.offers.models import AlreadyWithdrawn, NameIsTaken, Offer, ProductFeed, ProductFeedItem
from portal.web.edits import Editable, EditForm

if TYPE_CHECKING:
    from portal.accounts.actors import Actor

# What a proxy is told to let pass is 10 MB, with the form around it.
LARGEST_FILE = 8 * 1024 * 1024
MOST_PRODUCTS = 20_000
# More than anybody reads at once; the file is mended and sent again.
MOST_PROBLEMS = 10
WITHDRAWN = "Somebody else withdrew this feed: partners are told of it no more."


def day_field() -> forms.DateField:
    return forms.DateField(required=False, input_formats=["%Y-%m-%d"])


# The columns of the API's download, each with what it takes.
COLUMNS: dict[str, forms.Field] = {
    "sku": forms.CharField(max_length=80),
    "name": forms.CharField(max_length=200),
    "description": forms.CharField(required=False, max_length=10_000),
    "url_link": DestinationField(),
    "price": Figure(required=True),
    "url_link_mobile": DestinationField(required=False),
    "image_url": WebAddressField(required=False),
    "image_url_mobile": WebAddressField(required=False),
    "brand": forms.CharField(required=False, max_length=120),
    "availability": forms.CharField(required=False, max_length=40),
    "date_valid_from": day_field(),
    "date_valid_to": day_field(),
}
NEEDED = [name for name, field in COLUMNS.items() if field.required]
STORED_AS = {"date_valid_from": "valid_from", "date_valid_to": "valid_to"}


class ProductsField(forms.FileField):
    """A CSV file; cleaned, its products, and at least one."""

    widget = forms.FileInput(attrs={"accept": ".csv,text/csv"})

    def __init__(self, **kwargs: Any) -> None:
        needed = f"{', '.join(NEEDED[:-1])} and {NEEDED[-1]}"
        helps = f"UTF-8, its first line the names of the columns. It needs {needed}."
        super().__init__(**{"label": "Products, as CSV", "help_text": helps, **kwargs})

    def clean(self, data: Any, initial: Any = None) -> list[ProductFeedItem] | None:
        file: UploadedFile[bytes] | None = super().clean(data, initial)
        return products_in(text_of(file)) if file else None


def text_of(file: UploadedFile[bytes]) -> str:
    if (file.size or 0) > LARGEST_FILE:
        raise forms.ValidationError(f"A file has at most {LARGEST_FILE // 1024**2} MB.")
    try:
        return str(file.read(), "utf-8-sig")
    except UnicodeDecodeError:
        raise forms.ValidationError("This is no text in UTF-8. Save it as “CSV UTF-8” and choose it again.") from None


def products_in(text: str) -> list[ProductFeedItem]:
    """:raises forms.ValidationError: that says of the first lines in which something is wrong what it is"""
    problems: list[str] = []
    products: dict[str, ProductFeedItem] = {}
    for line, row in lines_of(text):
        try:
            product = product_of(row)
        except forms.ValidationError as wrong:
            problems += [f"Line {line}: {problem}" for problem in wrong.messages]
        else:
            if product.sku in products:
                problems.append(f"Line {line}: sku: {product.sku} stands in a line before.")
            products[product.sku] = product
        if len(problems) >= MOST_PROBLEMS:
            break
        if len(products) > MOST_PRODUCTS:
            raise forms.ValidationError(f"A feed holds at most {MOST_PRODUCTS:,} products.")
    if problems:
        raise forms.ValidationError(problems[:MOST_PROBLEMS])
    if not products:
        raise forms.ValidationError("There is no product in it.")
    return list(products.values())


def lines_of(text: str) -> Iterator[tuple[int, Mapping[str | None, Any]]]:
    """Each line below the names of the columns, with its number.

    :raises forms.ValidationError: when a name is missing or unknown, or the text is not CSV
    """
    # Spreadsheets write semicolons where the comma is the decimal point.
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        reader.fieldnames = demanded([name.strip() for name in reader.fieldnames or []])
        for row in reader:
            yield reader.line_num, row
    except csv.Error as reason:
        raise forms.ValidationError(f"Line {reader.line_num}: {reason}.") from None


def demanded(names: list[str]) -> list[str]:
    """The names of the columns, if they are such names, each once, and all that are needed.

    :raises forms.ValidationError: if not
    """
    if missing := [name for name in NEEDED if name not in names]:
        raise forms.ValidationError(f"The first line does not name {', '.join(missing)}.")
    for name in names:
        if name not in COLUMNS:
            raise forms.ValidationError(f"There is no column “{name[:60]}”. There are {', '.join(COLUMNS)}.")
        if names.count(name) > 1:
            raise forms.ValidationError(f"The first line names {name} more than once.")
    return names


def product_of(row: Mapping[str | None, Any]) -> ProductFeedItem:
    if None in row or None in row.values():
        raise forms.ValidationError("it has not as many cells as the first line has names.")
    cleaned: dict[str, Any] = {}
    problems = []
    for name, field in COLUMNS.items():
        try:
            cleaned[STORED_AS.get(name, name)] = field.clean(row.get(name, ""))
        except forms.ValidationError as wrong:
            problems.append(f"{name}: {' '.join(wrong.messages)}")
    if problems:
        raise forms.ValidationError(problems)
    return ProductFeedItem(**cleaned)


class FeedFields(DaysFields):
    name = forms.CharField(max_length=120, help_text="Partners choose it by this name, such as All candles.")

    class Meta:
        model = ProductFeed
        fields: ClassVar = ["name", "valid_from", "valid_to"]

    field_order = Meta.fields


class NewFeedForm(FeedFields):
    products = ProductsField(required=False)

    field_order = ["name", "products", "valid_from", "valid_to"]

    def added(self, offer: Offer, *, by: Actor) -> bool:
        if not self.is_valid():
            return False
        given = {**self.cleaned_data}
        try:
            offer.add_feed(items=given.pop("products"), by=by, **given)
        except NameIsTaken:
            self.add_error("name", "Another feed of this offer has that name.")
        return self.is_valid()


class FeedForm(FeedFields, EditForm):
    class Meta(FeedFields.Meta):
        pass

    def saved_to(self, row: Editable, *, by: Actor) -> bool:
        try:
            return super().saved_to(row, by=by)
        except NameIsTaken:
            self.add_error("name", "Another feed of this offer has that name.")
        except AlreadyWithdrawn:
            self.add_error(None, WITHDRAWN)
        return False


class FillForm(forms.Form):
    """The products that are to be all that a feed holds."""

    products = ProductsField()

    def filled(self, feed: ProductFeed, *, by: Actor) -> bool:
        if not self.is_valid():
            return False
        try:
            feed.fill(self.cleaned_data["products"], by=by)
        except AlreadyWithdrawn:
            self.add_error(None, WITHDRAWN)
        return self.is_valid()
