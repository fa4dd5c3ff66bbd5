"""Ways to put the service on AWS: the zip builder, and what it and the tests read in the Dockerfile."""
