"""Small documents of the formats that parsers read, right ones and ones made to hurt."""

from __future__ import annotations

import io
import zipfile
import zlib

import docx as python_docx


def pdf(*pages: str) -> bytes:
    """A minimal PDF with one line of text a page."""
    count = len(pages)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>"
        % (count, b" ".join(b"%d 0 R" % (4 + 2 * i) for i in range(count))),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for i, text in enumerate(pages):
        stream = zlib.compress(b"BT /F1 12 Tf 72 720 Td (%s) Tj ET" % text.encode("latin-1"))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * i)
        )
        objects.append(
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream)
        )
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        data
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF"
        % (
            len(objects) + 1,
            table,
            len(objects) + 1,
            len(data),
        )
    )


def looping_pdf() -> bytes:
    """A page tree that is its own child."""
    return pdf("x").replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]")


def bomb_pdf(size: int) -> bytes:
    """A page whose content unpacks to `size` bytes."""
    stream = zlib.compress(b" " * size)
    start = pdf("x")
    old = start[start.index(b"<< /Length") : start.index(b"endstream")]
    return start.replace(old, b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\n" % (len(stream), stream))


def docx(*paragraphs: str) -> bytes:
    """A Word document of plain paragraphs."""
    document = python_docx.Document()
    for text in paragraphs:
        document.add_paragraph(text)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def archive(**parts: bytes) -> bytes:
    """A zip archive; two underscores in a name are a slash, one a dot."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts.items():
            file.writestr(name.replace("__", "/").replace("_", "."), data)
    return stream.getvalue()
