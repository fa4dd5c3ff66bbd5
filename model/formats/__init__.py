"""Readers of rating files, one module per family of formats; serving imports none of them."""
