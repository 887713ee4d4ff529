"""The report of a finished study: a page for people, Markdown for a repository, JSON for programs."""

from ._write import write_report

__all__ = ["write_report"]
