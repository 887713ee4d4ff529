"""Writes the report of a finished study: a page for people, Markdown for a repository and JSON for programs."""

from ._write import write_report

__all__ = ["write_report"]
