"""A document as Markdown: the same words and numbers, with a table in place of each drawing."""

import re

from model.training.report.document import (
    Block,
    Bullets,
    Document,
    Figure,
    Gallery,
    Heading,
    Paragraph,
    Table,
)

_SPECIAL = re.compile(r"([\\`*_\[\]|#~])")


def render_markdown(document: Document) -> str:
    """Render a document.

    Args:
        document: plain text throughout, which is escaped.
    """
    parts = [f"# {escape_markdown(document.title)}", escape_markdown(document.subtitle)]
    parts.append(
        "\n".join(
            f"- **{escape_markdown(figure.value)}** {escape_markdown(figure.meaning)}"
            for figure in document.key_figures
        )
    )
    for section in document.sections:
        parts.append(f"## {escape_markdown(section.title)}")
        parts += [_render_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    r"""Make text that reads as itself: no markup, no HTML.

    >>> escape_markdown("<b>_x_ | y")
    '&lt;b&gt;\\_x\\_ \\| y'
    """
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", plain)


def _render_block(block: Block) -> str:
    match block:
        case Heading():
            return f"### {escape_markdown(block.text)}"
        case Paragraph():
            return escape_markdown(block.text)
        case Bullets():
            return "\n".join(f"- {escape_markdown(item)}" for item in block.items)
        case Table():
            return _render_table(block)
        case Gallery():
            return "\n\n".join(
                _render_table(item) if isinstance(item, Table) else _render_figure(item)
                for item in block.items
            )


def _render_figure(figure: Figure) -> str:
    parts = [f"### {escape_markdown(figure.title)}"]
    if figure.note:
        parts.append(escape_markdown(figure.note))
    if figure.table is not None:
        parts.append(_render_table(figure.table))
    return "\n\n".join(parts)


def _render_table(table: Table) -> str:
    rules = ["---", *(["---:" if table.is_numeric else "---"] * (len(table.head) - 1))]
    lines = [
        _join([escape_markdown(cell) for cell in table.head]),
        _join(rules),
        *(_join([escape_markdown(cell) for cell in row]) for row in table.rows),
    ]
    caption = [f"{escape_markdown(table.caption)}\n"] if table.caption else []
    return "\n".join([*caption, *lines])


def _join(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
