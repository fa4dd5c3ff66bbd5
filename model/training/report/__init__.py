"""The report that every run leaves beside its network: report.html and report.md, the same facts in both.

summary, accuracy, calibration, importance and examples compute facts, plain dataclasses, and collect puts
them together. findings, results, singles, background and card say them in words, tables and figures, and
sections makes one document of these. charts and svg draw, as_html and as_markdown render, write writes.
"""
