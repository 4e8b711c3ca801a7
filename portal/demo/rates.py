"""What currencies are worth in the demo network's, US dollars, by how many days ago somebody has said so."""

from __future__ import annotations

# At first all that its partners and offers count in; later those that move most of its money.
RATES: dict[int, dict[str, str]] = {
    455: {
        "EUR": "1.0912",
        "GBP": "1.2874",
        "AED": "0.2723",
        "AUD": "0.6610",
        "BRL": "0.1815",
        "CAD": "0.7240",
        "CHF": "1.1320",
        "CZK": "0.0436",
        "DKK": "0.1463",
        "IDR": "0.0000612",
        "INR": "0.01171",
        "JPY": "0.00668",
        "KRW": "0.000718",
        "MXN": "0.0524",
        "NOK": "0.0934",
        "NZD": "0.5960",
        "PLN": "0.2548",
        "RON": "0.2192",
        "SEK": "0.0961",
        "SGD": "0.7460",
        "TRY": "0.0281",
        "ZAR": "0.0549",
    },
    180: {"EUR": "1.1240", "GBP": "1.3105", "CAD": "0.7310", "AUD": "0.6535", "JPY": "0.00681"},
    75: {"EUR": "1.1085", "GBP": "1.2990"},
    21: {"EUR": "1.1162", "GBP": "1.3047", "CHF": "1.1480"},
}
