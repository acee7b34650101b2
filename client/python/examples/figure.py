"""The figure as SVG: what was drawn of each class, and confusion matrices, side by side."""

from html import escape

CELL = 26
LEFT, TOP = 76, 56
BARS = 150


def _text(x, y, text, size=11, anchor="middle", turn=""):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" {turn}>'
        f"{escape(text)}</text>"
    )


def _bars(x, y, shares, classes, title):
    """Shares of the classes among what was drawn."""
    top = max(*shares, 0.2)
    out = [_text(x + 5 * CELL, y - 24, title, 13)]
    for c, share in enumerate(shares):
        height = BARS * share / top
        out.append(
            f'<rect x="{x + c * CELL + 3}" y="{y + BARS - height:.1f}" width="{CELL - 6}" '
            f'height="{height:.1f}" fill="#4472a8"/>'
        )
        out.append(_text(x + (c + 0.5) * CELL, y + BARS - height - 4, f"{100 * share:.0f}", 9))
    return out


def _matrix(x, y, matrix, classes, title):
    """Rows: true classes; columns: predicted ones; per cent of the row."""
    out = [_text(x + 5 * CELL, y - 12, title, 13)]
    for true, row in enumerate(matrix):
        total = max(1, sum(row))
        out.append(_text(x - 6, y + (true + 0.65) * CELL, classes[true], 10, "end"))
        for predicted, count in enumerate(row):
            share = count / total
            left, up = x + predicted * CELL, y + true * CELL
            shade = round(255 - 175 * share)
            out.append(
                f'<rect x="{left}" y="{up}" width="{CELL}" height="{CELL}" '
                f'fill="rgb({shade},{min(255, shade + 20)},255)" stroke="white"/>'
            )
            if share >= 0.005:
                out.append(_text(left + CELL / 2, up + 0.65 * CELL, f"{100 * share:.0f}", 10))
    for c, name in enumerate(classes):
        at_x, at_y = x + (c + 0.5) * CELL, y + len(classes) * CELL + 8
        out.append(_text(at_x, at_y, name, 10, "end", f'transform="rotate(-55 {at_x} {at_y})"'))
    return out


def draw(path, classes, columns):
    """Writes the figure. `columns`: (title, shares drawn, confusion matrix) of each run."""
    width = len(columns) * (10 * CELL + LEFT) + 30
    height = TOP + BARS + 60 + len(classes) * CELL + 70
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" fill="#222">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for i, (title, shares, matrix) in enumerate(columns):
        x = LEFT + i * (10 * CELL + LEFT)
        out += _bars(x, TOP, shares, classes, f"{title}: classes drawn, %")
        out += _matrix(x, TOP + BARS + 50, matrix, classes, "true (rows) and predicted, %")
    out.append("</svg>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")
