"""Draws the coloured text on standard input as a terminal: terminal.py FILE TITLE COLUMNS."""

import io
import re
import sys

from rich.console import Console
from rich.text import Text

file, title, columns = sys.argv[1], sys.argv[2], int(sys.argv[3])
console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, legacy_windows=False)
console.print(Text("$ " + title + "\n", style="bold"))
console.print(Text.from_ansi(sys.stdin.read()), soft_wrap=True)
svg = console.export_svg(title=title, unique_id="terminal")
# The picture must load nothing, so it uses typefaces of the reader's system.
svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
svg = svg.replace("Fira Code", "ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono")
if re.search(r"url\((?!#)|href=|src=|@import", svg):
    sys.exit("terminal.py: the picture would load something")
with open(file, "w", encoding="utf-8") as f:
    f.write(svg)
print(f"{file} {len(svg)} bytes", file=sys.stderr)
