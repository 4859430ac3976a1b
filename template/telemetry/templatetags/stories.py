from datetime import UTC, datetime

from django import template

register = template.Library()


@register.filter
def duration(nanoseconds: int) -> str:
    """A length of time in the unit that people would use."""
    seconds = nanoseconds / 1e9
    if seconds < 1:
        return f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    return f"{minutes} min" if minutes < 120 else f"{hours} h" if hours < 48 else f"{hours // 24} d"


@register.filter
def moment(nanoseconds: int) -> datetime:
    """A point in time."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
