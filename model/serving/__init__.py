"""Serving: predictor, schemas and app. Imports the core, never `model.training`, torch or pandas."""
