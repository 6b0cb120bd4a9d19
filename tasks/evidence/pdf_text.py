"""Door to the PDF reader: the text of all pages.

What a page paints without showing it (white letters, the invisible text layer of a scan) cannot be told apart
from what it shows, and is kept.
"""

from __future__ import annotations

import io
import logging

from tasks.evidence.document_text import DocumentText
from tasks.files.refusal import Refusal, shown

_MOST_PAGES = 20_000
_ENCRYPTED = "the PDF is encrypted; give a copy without a password"


def read(data: bytes, *, most_characters: int) -> DocumentText:
    """Text of all pages, a line break between two.

    Raises:
        Refusal: it is encrypted, damaged, too long, or has no text.
    """
    from pypdf import PdfReader
    from pypdf.errors import FileNotDecryptedError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it logs content of broken files
    pages: list[str] = []
    size = 0
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refusal("encrypted", _ENCRYPTED)
        for number, page in enumerate(reader.pages):
            pages.append(page.extract_text())
            size += len(pages[-1])
            if size > most_characters or number > _MOST_PAGES:
                raise Refusal("size", f"the PDF's text is longer than {most_characters} bytes")
    except (Refusal, MemoryError):
        raise
    except FileNotDecryptedError:
        raise Refusal("encrypted", _ENCRYPTED) from None
    except Exception as error:  # noqa: BLE001 - a broken PDF raises anything, from KeyError to RecursionError
        reason = f"the PDF is damaged or not a PDF ({shown(str(error) or type(error).__name__, 80)})"
        raise Refusal("pdf", reason, data[:100].decode("latin-1")) from None
    text = "\n".join(pages).replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if not text.strip():
        raise Refusal("empty", f"none of the PDF's {len(pages)} pages has text; scanned pages need OCR")
    return DocumentText(text)
