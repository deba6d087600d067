"""The report: the workspace's facts as plain JSON values, and the one page that shows them."""

from seedgate.report.facts import report_facts, standing_facts
from seedgate.report.pages import page_of, write_page
from seedgate.report.samples import sample_of

__all__ = ["page_of", "report_facts", "sample_of", "standing_facts", "write_page"]
