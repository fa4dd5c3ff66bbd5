"""Every error this project raises on purpose.

    RatingModelError
    ├ ConfigError (ValueError)          a setting or flag that makes no sense
    ├ DataError (ValueError)            ratings, pairs or titles that cannot be read
    ├ ArtifactError                     a run or bundle that cannot be used
    │ ├ ArtifactMissingError            it, or a part of it, is not there
    │ └ ArtifactIncompatibleError       it is changed, truncated, or of another format version
    └ PredictionError                   a prediction that could not be computed

Each message says what failed, the offending value, and what would be accepted. Commands turn these into
one line on standard error and exit status 2; the service turns them into problem+json.
"""


class RatingModelError(Exception):
    """Base of all errors that this project raises on purpose."""


class ConfigError(RatingModelError, ValueError):
    """A setting or flag that makes no sense."""


class DataError(RatingModelError, ValueError):
    """Ratings, pairs or titles that cannot be read; the message names file and line."""


class ArtifactError(RatingModelError):
    """A run folder or bundle that cannot be used."""


class ArtifactMissingError(ArtifactError):
    """A run folder or bundle, or a file of it, is not there."""


class ArtifactIncompatibleError(ArtifactError):
    """A run folder or bundle is changed, truncated, or of another format version."""


class PredictionError(RatingModelError):
    """A prediction that could not be computed."""
