"""PDF through typst: data is text, a failure quotes none of it."""

import io

import pypdf
import pytest

from app.core.errors import CaretrailError
from app.printing.typesetting import typeset

TEMPLATE = "#let data = json(bytes(sys.inputs.data))\n#set document(title: data.title)\n= #text(data.title)"


def test_what_is_printed_is_never_read_as_markup():
    """Text that looks like code of the typesetter comes out as it went in; the file is tagged and titled."""
    title = '#read("/etc/hostname") *b* $x$ <l> @r'
    pdf = pypdf.PdfReader(io.BytesIO(typeset(TEMPLATE, {"title": title})))
    assert pdf.pages[0].extract_text().strip() == title
    assert pdf.metadata is not None
    assert (pdf.metadata.title, pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]) == (title, True)


def test_a_failure_quotes_nothing():
    """What cannot be printed fails without a word of what it was, in the error or in its causes."""
    with pytest.raises(CaretrailError) as failed:
        typeset("#panic(json(bytes(sys.inputs.data)))", {"name": "Quillfeather"})
    assert failed.value.why == "not-typeset"
    assert failed.value.__suppress_context__
    assert "Quillfeather" not in repr(failed.value) + failed.value.detail
