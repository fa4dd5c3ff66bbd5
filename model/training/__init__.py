"""Training: network, folds and Lightning modules. Imports the core, never `model.serving`."""

import os

# Torch's and Numba's threads (OpenMP's) spin while they wait for each other. Where other programs want the
# cores, too, the spinning takes them from the very thread that is waited for: movielens-small then trains in
# 31 s, waiting passively in 13 to 19. Alone on the cores it makes no difference. Read when OpenMP is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # ruff: ignore[non-empty-init-module] - before any submodule
