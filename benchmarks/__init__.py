"""How accurate and how fast this project is beside its peers: the same rows, the same machine."""
