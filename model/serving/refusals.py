"""What a well-formed request may still be refused for; `problems` knows the HTTP statuses."""

from model.errors import PredictionError, RatingModelError


class OffScaleError(PredictionError):
    """A rating of the request that does not exist on the bundle's scale.

    Args:
        where: the field, such as `ratings[3].rating`.
        what: what is wrong with it and what would be accepted.
    """

    def __init__(self, *, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what


class UnknownIdError(RatingModelError):
    """A movie or user that the request's address names and the bundle does not hold.

    Args:
        kind: "movie" or "user".
        id_: the data set's id.
    """

    def __init__(self, kind: str, id_: int) -> None:
        super().__init__(f"{kind} {id_} is not in this model's data")
        self.name = f"unknown-{kind}"


class UsersHiddenError(RatingModelError):
    """Ids or ratings of users are asked for, and the operator keeps them to themselves."""

    name = "users-hidden"

    def __init__(self) -> None:
        super().__init__(
            "users and their ratings are not shown by this service; its operator may allow it with "
            "MODEL_SHOW_USERS=on"
        )
