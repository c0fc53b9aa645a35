"""What a teacher or a maintainer runs; never part of a chapter's own lesson."""


class CommandError(RuntimeError):
    """Something failed though the call was right; the message is one line that says what."""
