"""Readers of rating files, one module per family of formats; they need pandas, so serving imports none."""
