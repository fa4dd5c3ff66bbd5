"""The service that answers now, where whoever needs it asks for it at each request."""

from dataclasses import dataclass

from model.serving.service import Service


@dataclass(slots=True, eq=False)
class LiveService:
    """Holds the service that answers; another can take its place between two requests."""

    service: Service
    """Answers until it is replaced."""
    has_company: bool = False
    """Whether requests may be under way side by side, as under a server; on Lambda each comes alone."""
