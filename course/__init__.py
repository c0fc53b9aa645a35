"""What a teacher or a maintainer runs; never part of a chapter's own lesson."""
