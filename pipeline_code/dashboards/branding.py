"""Headwater's look in Superset: wordmark, theme tokens and the colours of charts."""

from typing import Any
from urllib.parse import quote

INK = "#12303B"
WATER = "#0E7C86"

_SVG = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 176 32" width="176" height="32">
<path d="M16 3c5.5 6.6 9 11.2 9 16a9 9 0 0 1-18 0c0-4.8 3.500-9.400 9-16z" fill="{WATER}"/>
<path d="M9.500 20.500c2.200-1.700 4.300-1.700 6.500 0s4.300 1.700 6.500 0" fill="none" stroke="#fff" stroke-width="2"
 stroke-linecap="round"/>
<text x="34" y="23" font-family="Inter,Helvetica,Arial,sans-serif" font-size="20" font-weight="600"
 letter-spacing="-.3" fill="{INK}">Headwater</text></svg>"""

# A data URI needs no file among Superset's own static assets.
WORDMARK = "data:image/svg+xml," + quote(_SVG.replace("\n", ""))

COLOR_SCHEME: dict[str, Any] = {
    "id": "headwater",
    "label": "Headwater",
    "description": "Distinct in hue and in lightness, readable for colour-blind people",
    "isDefault": True,
    "colors": [
        "#0E7C86", "#F2A541", "#3B5B92", "#E4572E", "#76B041",
        "#8E6C8A", "#4FB3BF", "#B5651D", "#A3B1BF", "#12303B",
    ],
}  # fmt: skip

THEME: dict[str, Any] = {
    "token": {
        "brandAppName": "Headwater",
        "brandLogoAlt": "Headwater",
        "brandLogoUrl": WORDMARK,
        "brandLogoMargin": "18px 0",
        "brandLogoHref": "/",
        "brandLogoHeight": "26px",
        "brandSpinnerUrl": None,
        "brandSpinnerSvg": None,
        "colorPrimary": WATER,
        "colorLink": WATER,
        "colorError": "#C8412B",
        "colorWarning": "#F2A541",
        "colorSuccess": "#4E8F2F",
        "colorInfo": "#4FB3BF",
        "fontUrls": [],
        "fontFamily": "Inter, Helvetica, Arial, sans-serif",
        "fontFamilyCode": "'IBM Plex Mono', 'Courier New', monospace",
        "transitionTiming": 0.3,
        "brandIconMaxWidth": 180,
        "fontSizeXS": "8",
        "fontSizeXXL": "28",
        "fontWeightNormal": "400",
        "fontWeightLight": "300",
        "fontWeightStrong": "500",
        "fontWeightBold": "700",
        "colorEditorSelection": "#fff5cf",
    },
    "algorithm": "default",
}
