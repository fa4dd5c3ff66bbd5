"""A document as one HTML file that needs nothing else: no script, no font, no address outside it."""

from html import escape
from pathlib import Path

from model.training.report.document import (
    Block,
    Bullets,
    Document,
    Figure,
    Gallery,
    Heading,
    Paragraph,
    Section,
    Table,
)

_MARKED = ' class="marked"'
_STYLE = Path(__file__).with_name("report.css")


def render_html(document: Document) -> str:
    """Render a document.

    Args:
        document: plain text throughout, which is escaped, but for the figures' SVG.
    """
    figures = "\n".join(
        f"<div><dt>{escape(figure.meaning)}</dt><dd>{escape(figure.value)}</dd></div>"
        for figure in document.key_figures
    )
    links = "\n".join(
        f'<li><a href="#{section.name}">{escape(section.title)}</a></li>' for section in document.sections
    )
    sections = "\n".join(_render_section(section) for section in document.sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(document.title)}: {escape(document.subtitle)}</title>
<style>
{_STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<header>
<h1>{escape(document.title)}</h1>
<p>{escape(document.subtitle)}</p>
<dl class="figures">
{figures}
</dl>
<nav aria-label="Sections"><ul>
{links}
</ul></nav>
</header>
<main>
{sections}
</main>
</body>
</html>
"""


def _render_section(section: Section) -> str:
    blocks = "\n".join(_render_block(block) for block in section.blocks)
    return f'<section id="{section.name}">\n<h2>{escape(section.title)}</h2>\n{blocks}\n</section>'


def _render_block(block: Block) -> str:
    match block:
        case Heading():
            return f"<h3>{escape(block.text)}</h3>"
        case Paragraph():
            return f"<p>{escape(block.text)}</p>"
        case Bullets():
            items = "".join(f"<li>{escape(item)}</li>" for item in block.items)
            return f"<ul>{items}</ul>"
        case Table():
            return _render_table(block, caption=block.caption)
        case Gallery():
            items = "\n".join(
                _render_card(item.caption, _render_table(item, caption=""))
                if isinstance(item, Table)
                else _render_figure(item)
                for item in block.items
            )
            return f'<div class="gallery">\n{items}\n</div>'


def _render_figure(figure: Figure) -> str:
    note = f"<p>{escape(figure.note)}</p>" if figure.note else ""
    numbers = ""
    if figure.table is not None:
        table = _render_table(figure.table, caption="")
        numbers = f"<details><summary>Numbers</summary>{table}</details>"
    return _render_card(figure.title, f"{figure.svg}\n{note}{numbers}")


def _render_card(title: str, content: str) -> str:
    return f"<figure>\n<figcaption>{escape(title)}</figcaption>\n{content}\n</figure>"


def _render_table(table: Table, *, caption: str) -> str:
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = ""
    if any(table.head):
        cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
        head = f"<thead><tr>{cells}</tr></thead>"
    rows = "\n".join(
        f"<tr{_MARKED if place == table.marked else ''}>"
        f'<th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for place, row in enumerate(table.rows)
    )
    css = "numbers" if table.is_numeric else "words"
    # focusable, so that a keyboard can scroll it where the page is narrow
    return (
        f'<div class="scroll" tabindex="0"><table class="{css}">{above}{head}\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )
