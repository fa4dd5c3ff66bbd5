"""Training: network, folds and Lightning modules. Imports the core, never `model.serving`."""
