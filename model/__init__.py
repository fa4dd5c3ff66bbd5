"""A rating predictor: four neighbours, an era mean and a small network, trained offline, served from ONNX.

The directory is the import rule: `model.training` and `model.serving` import this core and never each
other; the core imports neither of them, and nothing that `model.serving` imports needs torch or pandas.
"""
