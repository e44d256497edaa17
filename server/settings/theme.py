"""The look of the admin: names, and the colours of our pages (``monitor.css``) on the scales of the theme."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static

#: Django-unfold's settings. Light or dark follows the reader's system until a switch in the side bar says otherwise.
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "COMPASS Pilot",
    "SITE_HEADER": "COMPASS Pilot",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("monitor/compass.svg")},
    ],
    "STYLES": [lambda request: static("desk/desk.css")],
    "SCRIPTS": [lambda request: static("desk/desk.js")],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "base": {
            "50": "#f4f6f9",
            "100": "#eaeef3",
            "200": "#dfe4ec",
            "300": "#c3ccd9",
            "400": "#98a5b7",
            "500": "#5b6779",
            "600": "#445064",
            "700": "#333f4e",
            "800": "#2a3441",
            "900": "#181f29",
            "950": "#0f141b",
        },
        "primary": {
            "50": "#f0f5fd",
            "100": "#e0eafb",
            "200": "#c4d8f8",
            "300": "#a3c3fb",
            "400": "#7fb0ff",
            "500": "#7fb0ff",
            "600": "#1d5bc4",
            "700": "#1d55b8",
            "800": "#17438f",
            "900": "#172b4b",
            "950": "#101e36",
        },
        "font": {
            "subtle-light": "var(--color-base-500)",
            "subtle-dark": "var(--color-base-400)",
            "default-light": "var(--color-base-600)",
            "default-dark": "var(--color-base-300)",
            "important-light": "#18212f",
            "important-dark": "#e4e9f1",
        },
    },
}
