"""Pieces of an HTML page that needs nothing beside itself."""

import base64
import io
from collections.abc import Mapping
from html import escape

from matplotlib import rc_context
from matplotlib.figure import Figure

from deephemnma.pipeline.report.table import Table

STYLE = """
:root { color-scheme: light; --ink: #202124; --soft: #5f6368; --line: #dadce0; --accent: #0b57a4; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", sans-serif; }
header, main, footer { max-width: 1180px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 32px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 1.2rem; margin: 0 0 10px; }
nav { display: flex; flex-wrap: wrap; gap: 6px 16px; margin: 12px 0 4px; font-size: .92rem; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
section { background: white; border: 1px solid var(--line); border-radius: 8px; padding: 18px 20px; margin: 16px 0; }
p { margin: 0 0 10px; max-width: 80ch; } .remark { font-weight: 500; }
.note, figcaption, footer { color: var(--soft); font-size: .88rem; }
figure { margin: 12px 0 0; } img { max-width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 8px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: white; }
tr.paper td { color: var(--soft); font-style: italic; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; font-size: .94rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 600px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } }
@media (max-width: 600px) { section { padding: 14px 12px; } }
@media print { body { background: white; } section { break-inside: avoid; border: 0; } nav { display: none; } }
"""


def format_page(title: str, *, lead: str, sections: Mapping[str, str]) -> str:
    """Return the page: `sections` is heading -> HTML, in the order to be shown."""
    links = "".join(f'<a href="#{_make_anchor(name)}">{escape(name)}</a>' for name in sections)
    bodies = "".join(
        f'<section id="{_make_anchor(name)}"><h2>{escape(name)}</h2>{body}</section>\n'
        for name, body in sections.items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><header><h1>{escape(title)}</h1>{lead}<nav>{links}</nav></header>\n<main>\n{bodies}</main>\n"
        "<footer><p>Made by deephemnma. Everything on this page is in this one file.</p></footer></body></html>\n"
    )


def format_html_table(table: Table) -> str:
    """Return an HTML table that scrolls by itself where the page is narrow."""
    head = "".join(f"<th>{escape(name)}</th>" for name in table.head)
    rows = "".join(
        f'<tr class="{origin}">{"".join(f"<td>{escape(cell)}</td>" for cell in row)}</tr>'
        for row, origin in zip(table.rows, table.origins, strict=True)
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def format_figure(figure: Figure, *, caption: str, kind: str = "svg", dpi: int = 130) -> str:
    """Return `figure` as an image within the page: "svg" for lines, "png" for many points or pixels."""
    buffer = io.BytesIO()
    # Without a date and with fixed identifiers, two reports of the same run are the same file.
    with rc_context({"svg.hashsalt": "deephemnma"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata={"Date": None} if kind == "svg" else None)
    return format_image(buffer.getvalue(), caption=caption, kind=kind, width=round(figure.get_figwidth() * 96))


def format_image(content: bytes, *, caption: str, kind: str = "png", width: int) -> str:
    """Return an image file, "svg" or "png", within the page, `width` CSS pixels wide where there is room."""
    data = base64.b64encode(content).decode()
    mime = {"svg": "image/svg+xml", "png": "image/png"}[kind]
    image = f'<img width="{width}" alt="{escape(caption, quote=True)}" src="data:{mime};base64,{data}">'
    return f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>"


def format_facts(facts: Mapping[str, str]) -> str:
    """Return names and values as a list of definitions."""
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items()) + "</dl>"


def format_paragraph(text: str, *, kind: str = "") -> str:
    """Return a paragraph; `kind` is "note" or "remark"."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def _make_anchor(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())
