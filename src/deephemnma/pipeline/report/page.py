"""The report as a file."""

from pathlib import Path

from deephemnma.io.atomic import write_beside
from deephemnma.pipeline.report.data import ReportData
from deephemnma.pipeline.report.html import format_page, format_paragraph
from deephemnma.pipeline.report.section import make_sections


def write_report(path: Path | str, data: ReportData) -> None:
    """Write the report of `data` to `path`: one HTML file with everything in it, no network needed."""
    lead = "".join(format_paragraph(remark, kind="remark") for remark in data.remarks)
    page = format_page(data.title, lead=lead, sections=make_sections(data))
    with write_beside(path) as temporary:
        temporary.write_text(page, encoding="utf8")
